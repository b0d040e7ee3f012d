"""The console as `dev` opens it: no login for who works on this machine, and for nobody else."""

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from bridge.app import BridgeApp
from bridge.configuration.settings import Settings
from tests.apps import BASE, RunningApp
from tests.doors.conftest import DESK
from tests.doors.console.operating import TOKENS, Desktop

HERE = ("127.0.0.1", 50_000)
BY_PERSON = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}


@contextlib.asynccontextmanager
async def opened(
    redis_url: str, peer: tuple[str, int] = HERE, **settings: Any
) -> AsyncIterator[Desktop]:
    """Run a bridge as `dev` does, asked by a peer."""
    app = BridgeApp(
        Settings(redis_url=redis_url, **settings), {DESK.name: DESK}, opens_console=True
    )
    transport = httpx2.ASGITransport(app, client=peer)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=BASE) as browser,
    ):
        yield Desktop(RunningApp(app, browser))


async def test_who_works_on_this_machine_looks_and_acts_without_a_login(redis_url: str) -> None:
    async with opened(redis_url) as desk:
        await desk.send({"subject": "hello"})
        event_id = await desk.set_aside()
        assert "hello" in await desk.show("/events")
        assert (await desk.browser.get("/console/events", headers=BY_PERSON)).status_code == 200
        own = {"sec-fetch-site": "same-origin", "origin": BASE}
        assert (await desk.browser.get("/console/events", headers=own)).status_code == 200
        assert (await desk.act(f"/events/{event_id}", "redrive")).status_code == 303
        assert "Log out" not in await desk.show(f"/events/{event_id}")


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        (("192.0.2.7", 50_000), {}),
        (HERE, {"x-forwarded-for": "127.0.0.1"}),
        (HERE, {"forwarded": "for=127.0.0.1"}),
        (HERE, {"cf-connecting-ip": "127.0.0.1"}),
        (HERE, {"host": "bridge.example.com"}),
        (HERE, {"origin": "http://localhost:3000"}),
        (HERE, {"origin": "http://127.0.0.1:3000", "sec-fetch-site": "same-site"}),
        (HERE, {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}),
    ],
)
async def test_what_may_not_come_from_here_has_to_log_in(
    redis_url: str, peer: tuple[str, int], headers: dict[str, str]
) -> None:
    known = {"allowed_hosts": ("bridge.example.com",)}
    async with (
        opened(redis_url, peer, **known) as desk,
        opened(redis_url, peer, **known, **TOKENS) as with_tokens,
    ):
        await desk.send({"subject": "hello"})
        page = await desk.browser.get("/console/events", headers=headers)
        assert (page.status_code, "hello" in page.text) == (404, False)
        page = await with_tokens.browser.get("/console/events", headers=headers)
        assert (page.status_code, page.headers["location"]) == (303, "/console/login?next=/events")
        stream = await with_tokens.browser.get("/console/live?of=events", headers=headers)
        assert stream.status_code == 401


async def test_forms_of_other_programs_of_this_machine_do_nothing(redis_url: str) -> None:
    async with opened(redis_url) as desk:
        await desk.send({})
        event_id = await desk.set_aside()
        csrf = re.search(r'name="csrf" value="(\w+)"', await desk.show(f"/events/{event_id}"))
        assert csrf
        path, form = f"/console/events/{event_id}/redrive", {"csrf": csrf[1]}
        for foreign in (
            {"origin": "http://localhost:3000"},
            {"origin": "http://localhost:3000", **BY_PERSON},
            BY_PERSON,
        ):
            refused = await desk.browser.post(path, data=form, headers=foreign)
            assert refused.status_code in (403, 404)
        assert (await desk.browser.post(path, data={})).status_code == 403
        assert (await desk.browser.post(path, data=form)).status_code == 303


@pytest.mark.parametrize(
    "settings",
    [
        {"public_url": "https://four-words-of-theirs.trycloudflare.com"},
        {"host": "0.0.0.0"},
        {"host": "192.0.2.1"},
    ],
)
async def test_a_bridge_that_others_can_reach_opens_its_console_to_nobody(
    redis_url: str, settings: dict[str, Any]
) -> None:
    async with opened(redis_url, **settings) as desk:
        assert (await desk.browser.get("/console/events")).status_code == 404
