"""What `/metrics` and `/readyz` tell before anything has happened, and after the store was lost."""

from collections.abc import AsyncIterator

import pytest

from bridge.configuration.servers import Server
from bridge.web.middleware import Readiness, ReadinessMiddleware
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
        'n8n_bridge_call_duration_seconds_bucket{le="1.024",server="desk",tool="stamp"}',
        'n8n_bridge_call_attempts_count{server="desk",tool="stamp"}',
        'n8n_bridge_calls_running{server="desk",tool="stamp"}',
        'n8n_bridge_event_age_when_taken_seconds_count{hook="letter",server="desk"}',
        'n8n_bridge_lease_duration_seconds_count{hook="letter",server="desk"}',
        'n8n_bridge_oldest_queued_seconds{hook="letter",server="desk"}',
        'n8n_bridge_processes_by_kind{kind="worker"}',
        'n8n_bridge_reply_circuits_opened_total{origin="http://n8n:5678"}',
        'n8n_bridge_reply_circuit_open{origin="http://n8n:5678"}',
        'n8n_bridge_inbox{hook="letter",server="desk",status="dead"}',
        "n8n_bridge_outbox_dropped_total",
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


@pytest.mark.parametrize(
    "name",
    [
        "n8n_bridge_outbox_frames_total",
        'n8n_bridge_refused_total{status="408"}',
        'n8n_bridge_call_outcomes_total{outcome="maybe_run"}',
        'n8n_bridge_reply_outcomes_total{outcome="again"}',
    ],
)
async def test_what_a_process_counts_of_itself_is_told_before_it_first_happens(
    door: RunningApp, name: str
) -> None:
    assert name in await series(door)


async def test_a_refusal_is_counted_by_its_status_alone(door: RunningApp) -> None:
    before = await series(door)

    for path in ("/hooks/desk/letter", "/hooks/desk/no-such", "/hooks/no-such/at-all", "/x" * 99):
        await door.client.post(path, json={}, headers={"user-agent": "stranger"})

    after = await series(door)
    assert after.keys() == before.keys(), "nothing that a stranger sends makes a new series"
    grown = {name: after[name] - before[name] for name in after if "refused" in name}
    assert {name: rise for name, rise in grown.items() if rise} == {
        'n8n_bridge_refused_total{status="401"}': 1,
        'n8n_bridge_refused_total{status="404"}': 3,
    }


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/mcp/desk", {"accept": "text/html"}, 406),
        ("POST", "/mcp/desk", {"accept": "application/json, text/event-stream"}, 400),
        ("POST", "/console/login", {}, 404),
        ("POST", "/hooks/desk/letter", {"host": "elsewhere"}, 421),
        ("PUT", "/metrics", {}, 405),
    ],
)
async def test_a_refusal_is_counted_once_at_whichever_door(
    method: str, path: str, headers: dict[str, str], status: int, door: RunningApp
) -> None:
    before = await series(door)

    refused = await door.client.request(method, path, content="{", headers=headers)

    assert refused.status_code == status
    after = await series(door)
    grown = {name: after[name] - before[name] for name in after if "refused" in name}
    told = {name: rise for name, rise in grown.items() if rise}
    assert told == {f'n8n_bridge_refused_total{{status="{status}"}}': 1}


async def test_a_bug_is_counted_as_the_500_that_it_is_answered_with(door: RunningApp) -> None:
    async def fail(*_: object) -> None:
        raise LookupError("a bug")

    opening = Readiness()
    opening.open()
    before = await series(door)
    scope = {"type": "http", "path": "/hooks/desk/letter"}
    with pytest.raises(LookupError):
        await ReadinessMiddleware(fail, opening, 0)(scope, fail, fail)  # type: ignore[arg-type]

    name = 'n8n_bridge_refused_total{status="500"}'
    assert (await series(door))[name] == before[name] + 1


async def test_probes_of_a_process_that_is_not_ready_are_no_refusals(door: RunningApp) -> None:
    before = await series(door)
    door.app.readiness.drain()

    assert (await door.client.get("/readyz")).status_code == 503
    assert (await series(door))['n8n_bridge_refused_total{status="503"}'] == before[
        'n8n_bridge_refused_total{status="503"}'
    ]


async def test_the_time_that_an_event_takes_to_be_on_disk_is_told(door: RunningApp) -> None:
    before = await series(door)

    letter = await door.client.post(
        "/hooks/desk/letter", json={}, headers={"authorization": "Bearer hook"}
    )

    assert letter.status_code == 202
    after = await series(door)
    count = "n8n_bridge_ingest_seconds_count"
    assert after[count] == before[count] + 1
    assert after['n8n_bridge_oldest_queued_seconds{hook="letter",server="desk"}'] < 60
    assert after["n8n_bridge_redis_round_trip_seconds_count"] > 0
    assert after["n8n_bridge_redis_memory_bytes"] > 0
    assert after['n8n_bridge_processes_by_kind{kind="web"}'] == 1
