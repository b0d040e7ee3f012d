"""`pause` and `resume`, as real processes on the store of a bridge that runs elsewhere."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.commands import run
from tests.process.test_operating import told
from tests.store.call_records import new_call
from tests.store.call_records import run as running_call
from tests.store.records import WEB, desk

FILE = """\
name: support
hooks: {ticket: {auth: {bearer: env:HOOK}}}
workflows: {parse: {url: http://127.0.0.1:9/webhook/parse}}
"""


@pytest.fixture
def environ(redis_url: str, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "s.yaml").write_text(FILE)
    return {"BRIDGE_REDIS_URL": redis_url, "BRIDGE_SERVERS": str(tmp_path), "HOOK": "h"}


async def test_a_hook_and_a_workflow_are_paused_seen_and_resumed(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        await web.accept()
        status, (paused,) = await told("pause", "support/ticket", environ=environ)
        assert (status, paused["place"], paused["go_on"]) == (0, "support/ticket", 0)
        _, (listed,) = await told("pause", environ=environ)
        assert listed == {name: paused[name] for name in ("place", "since", "by")}
        _, (row,) = await told("events", "ls", environ=environ)
        assert row["paused_since"]

        running = await running_call(web)
        ended = await told("pause", "support", "--running", "cancel", environ=environ)
        assert ended[1][0]["cancelled"] == 1
        call = await web.calls.read(running.call.call_id)
        assert call
        assert (call.status, call.failure) == ("cancelled", "cancelled by an operator")
        waiting = await web.calls.create(new_call())
        _, (row,) = await told("calls", "ls", "--status", "queued", environ=environ)
        assert (row["call_id"], bool(row["paused_since"])) == (waiting.call_id, True)

        status, (resumed,) = await told("resume", "support", environ=environ)
        assert (status, resumed["still_paused"]) == (0, ["support/ticket"])
        assert (await told("resume", "support/ticket", environ=environ))[0] == 0
        assert (await web.take()) is not None


async def test_people_are_told_what_goes_on_and_how_to_resume(environ: dict[str, str]) -> None:
    status, said = await run("pause", "support/ticket", environ=environ)
    assert (status, "n8n-bridge resume support/ticket" in said) == (0, True)
    _, said = await run("pause", environ=environ)
    assert "support/ticket" in said
    status, said = await run("resume", "support/ticket", environ=environ)
    assert (status, "support/ticket goes on." in said) == (0, True)
    status, said = await run("pause", "support/none", environ=environ)
    assert status == 1
    assert "no hook or workflow none in support; there are: parse, ticket" in said
