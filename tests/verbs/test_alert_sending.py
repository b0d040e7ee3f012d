"""Alerts on their way to receivers, whatever those do."""

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.configuration.alerts import AlertReceiver
from bridge.n8n.alert_receivers import health_fault, post
from bridge.runtime import Runtime
from bridge.store.alerts import AlertReading, AlertStore
from bridge.verbs.alert_sending import AlertSenders
from tests.alerted import KEY, SECRET, AlertedReceiver, alerted
from tests.serving import serving_any
from tests.tls import serving_tls

READING = AlertReading("waits", "", "alt_1", True, 0, 0, ("slow", "quick"), 1, '{"sentence": ""}')


def named(name: str, receiver: AlertedReceiver) -> AlertReceiver:
    return AlertReceiver.model_validate(
        {
            "url": receiver.url,
            "auth": {"header": {"name": "X-Key", "value": KEY}},
            "standard_webhooks": SECRET,
        }
    ).model_copy(update={"name": name})


@pytest.fixture
async def store(web: Runtime) -> AlertStore:
    found = AlertStore(web.steps, web.process)
    await found.lead()
    return found


async def test_a_receiver_that_hangs_holds_up_no_other(store: AlertStore) -> None:
    async with alerted() as slow, alerted() as quick:
        slow.gate.clear()
        receivers = {"slow": named("slow", slow), "quick": named("quick", quick)}
        senders = AlertSenders(store, "http://bridge")
        for holds in (True, False):
            await store.judge([replace(READING, holds=holds)], [])
            senders.wake(receivers)
        senders.beat(receivers, {"type": "heartbeat", "timestamp": "now"})
        await quick.hears("alert.resolved")
        await quick.hears("heartbeat")
        await slow.hears("alert.firing")
        assert slow.of("alert.resolved") == []
        slow.gate.set()
        await slow.hears("alert.resolved")
        await senders.end()


async def test_a_redirect_is_not_followed_and_a_foreign_certificate_is_not_trusted(
    tmp_path: Path,
) -> None:
    asked: list[str] = []
    async with serving_any(elsewhere(asked)) as origin:
        assert "redirect (307)" in await sent_to(f"{origin}/first")
        assert asked == ["/first"]
        assert await health_fault(origin) == ""
        assert await health_fault(f"{origin}/broken") == "it answers 503"
    assert await health_fault(origin) == "its host refuses connections at this port: does it run?"
    async with serving_tls(elsewhere(asked), tmp_path, "localhost") as (port, _):
        said = await sent_to(f"https://localhost:{port}/first")
        assert said == "its TLS certificate is not trusted here"


async def sent_to(url: str) -> str:
    return await post(AlertReceiver(url=url), "id", {})


def elsewhere(asked: list[str]) -> Starlette:
    async def answer(request: Request) -> Response:
        asked.append(request.url.path)
        return RedirectResponse("/second")

    async def broken(_request: Request) -> Response:
        return Response("", 503)

    return Starlette(
        routes=[Route("/first", answer, methods=["POST"]), Route("/broken/healthz", broken)]
    )
