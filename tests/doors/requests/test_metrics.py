"""What `/metrics` and `/readyz` tell before anything has happened, and after the store was lost."""

from collections.abc import AsyncIterator

import pytest

from bridge.configuration.servers import Server
from tests.apps import RunningApp, running_app

DESK = Server.model_validate(
    {
        "name": "desk",
        "hooks": {"letter": {"auth": {"bearer": "hook"}}},
        "workflows": {"stamp": {"url": "http://n8n:5678/webhook/stamp"}},
    }
)


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(redis_url, DESK, n8n_url="http://n8n:5678") as app:
        yield app


async def series(door: RunningApp) -> dict[str, float]:
    """Read every number of the bridge, by its name and labels."""
    lines = (await door.client.get("/metrics")).text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line.startswith("n8n_bridge_"))
    return {name: float(value) for name, value in pairs}


@pytest.mark.parametrize(
    "name",
    [
        'n8n_bridge_events_total{hook="letter",server="desk",status="queued"}',
        'n8n_bridge_events_total{hook="letter",server="desk",status="dead"}',
        'n8n_bridge_events_total{hook="letter",server="desk",status="expired"}',
        'n8n_bridge_replies_total{hook="letter",server="desk",status="delivered"}',
        'n8n_bridge_replies_total{hook="letter",server="desk",status="dead"}',
        'n8n_bridge_calls_total{server="desk",status="failed",tool="stamp"}',
        'n8n_bridge_calls_total{server="desk",status="cancelled",tool="stamp"}',
        'n8n_bridge_call_duration_seconds_count{server="desk",tool="stamp"}',
        'n8n_bridge_reply_circuits_opened_total{origin="http://n8n:5678"}',
        'n8n_bridge_reply_circuit_open{origin="http://n8n:5678"}',
        'n8n_bridge_inbox{hook="letter",server="desk",status="dead"}',
    ],
)
async def test_a_counter_stands_at_zero_before_its_first_event(door: RunningApp, name: str) -> None:
    """An alarm on its rise would miss the first failure otherwise."""
    assert (await series(door))[name] == 0


async def test_a_store_that_was_lost_is_told_by_readiness_and_by_the_metrics(
    door: RunningApp,
) -> None:
    before = (await series(door))["n8n_bridge_store_made_timestamp_seconds"]
    assert (await door.client.get("/readyz")).json() == {"status": "ready"}
    await door.runtime.redis.flushall()

    await door.runtime.losses.look()

    ready = await door.client.get("/readyz")
    assert ready.status_code == 200
    assert "it was emptied (FLUSHALL)" in ready.json()["warning"]
    assert (await series(door))["n8n_bridge_store_made_timestamp_seconds"] > before
