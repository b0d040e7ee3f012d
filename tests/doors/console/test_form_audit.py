"""The audit of the console: each form that acts leaves its line, and pages leave none."""

import logging
import re

import pytest

from bridge.console.routes import ROUTES
from bridge.store.new_calls import NewApproval
from tests.doors.console.operating import Desktop, acts, desktop
from tests.doors.console.posting import post

N8N = "http://127.0.0.1:5678"
FORMS = {
    "/console/login": "console login",
    "/console/servers/{server}/hooks/{hook}": "console hooks send",
    "/console/servers/{server}/workflows/{workflow}": "console workflows run",
    "/console/calls/{call_id}/cancel": "console calls cancel",
    "/console/calls/{call_id}/run-again": "console calls run-again",
    "/console/calls/{call_id}/approve": "console calls approve",
    "/console/calls/{call_id}/refuse": "console calls refuse",
    "/console/events/{event_id}/redrive": "console events redrive",
    "/console/events/{event_id}/release": "console events release",
    "/console/events/{event_id}/expire": "console events expire",
    "/console/events/{event_id}/run-again": "console events run-again",
    "/console/replies/{event_id}/redrive": "console replies redrive",
    "/console/bulk": "console bulk count",
    "/console/bulk/{bulk_id}/confirm": "console bulk confirm",
    "/console/bulk/{bulk_id}/stop": "console bulk stop",
    "/console/pauses": "console pause",
    "/console/tokens": "console tokens add",
    "/console/tokens/{token_id}/revoke": "console tokens revoke",
    "/console/logout": "console logout",
}
"""Each with what its line says, in the order in which the test posts them."""


def test_it_is_said_of_every_form_which_line_it_leaves() -> None:
    posted = {route.path for route in ROUTES if "POST" in (route.methods or ())}
    assert posted == FORMS.keys()


async def operate(desk: Desktop) -> None:
    """Post every form once."""
    await desk.send({}, **{"bridge-reply-url": f"{N8N}/webhook-waiting/7/reply"})
    reply = await desk.dead_reply()
    await desk.log_in()
    await post(desk, "/servers/desk/hooks/letters", {"as": "json", "json": "{}"})
    form = {"member.letter": "Dear bridge"}
    run = await post(desk, "/servers/desk/workflows/stamp", form)
    await desk.act(run.headers["location"].removeprefix("/console"), "cancel")
    await desk.act(run.headers["location"].removeprefix("/console"), "run-again")
    for act in ("approve", "refuse"):
        unapproved = await desk.call(to_approve=NewApproval("digest", "console", 60))
        page = f"/calls/{unapproved}"
        await post(desk, f"{page}/{act}", {"digest": "digest", "reason": "so"}, page)
    dead = await desk.set_aside()
    await desk.act(f"/events/{dead}", "redrive")
    held = await desk.take()
    for act in ("release", "expire", "run-again"):
        await desk.act(f"/events/{held.event_id}", act)
    await desk.act(f"/replies/{reply}", "redrive")
    counted = await post(desk, "/bulk", {"of": "events", "act": "run-again"}, "/bulk?of=events")
    bulk = counted.headers["location"].removeprefix("/console")
    await post(desk, f"{bulk}/confirm", {"count": "3"}, bulk)
    await desk.act(bulk, "stop")
    await post(desk, "/pauses", {"place": "desk", "act": "pause"}, "/servers")
    made = await post(desk, "/tokens", {"server": "desk", "name": "ann"})
    found = re.search(r"tok_\w+", made.text)
    assert found
    await post(desk, f"/tokens/{found[0]}/revoke", {}, "/tokens")


async def test_each_form_leaves_its_line(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with desktop(redis_url, n8n_url=N8N) as desk:
        with caplog.at_level(logging.INFO, "audit"):
            await operate(desk)
            for path in ("", "/events", "/calls", "/replies", "/servers", "/tokens"):
                await desk.show(path)
            await post(desk, "/logout", {}, "/events")
    lines = [line for line in acts(caplog) if line[1].startswith("console")]
    assert [what for _, what, _, _ in lines] == list(FORMS.values())
    assert {who for who, _, _, _ in lines} == {"operator"}
