"""The audit of the operators' commands: each that acts leaves its line, the others none."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
from redis.asyncio import Redis

import bridge.__main__  # noqa: F401 - it adds the worker's command
from bridge.cli.main import LoadedLater, commands
from bridge.store.new_calls import NewApproval
from tests.commands import run
from tests.process.test_operating import dead_event, dead_reply
from tests.store.call_records import new_call
from tests.store.records import WEB, desk

ACTING = {
    *("events redrive", "calls cancel", "replies redrive", "tokens add", "tokens revoke"),
    *("events run-again", "events release", "events expire", "calls run-again"),
    *("calls approve", "calls refuse", "pause", "resume", "keys rotate"),
}
TELLING = {
    f"{kind} {verb}"
    for kind, verbs in {
        "events": "ls show tail",
        "calls": "ls show tail",
        "replies": "ls show",
        "subscriptions": "ls",
        "bulk": "ls show",
        "tokens": "ls",
        "keys": "ls",
        "alerts": "ls",
    }.items()
    for verb in verbs.split()
}
STOPPING = {"bulk stop"}
"""It leaves the line of the bulk act that it ends (tests/verbs/test_bulks.py)."""

COPYING = {"backup", "restore"}
"""They act on no record and on all; each leaves its line too (test_backup.py)."""

RUNNING = {
    *("up", "dev", "web", "worker", "stdio", "standin"),
    *("check", "discover", "doctor", "new", "watch", "alerts test"),
}
"""What runs the bridge or reads its files; what comes in by them is on record at its door.

What `alerts test` sends is on record too, a line each receiver, as tests/process/test_alerts.py
shows.
"""


FILE = """\
name: support
hooks: {h: {auth: {bearer: env:HOOK}}}
workflows: {w: {url: http://127.0.0.1:9/webhook/w}}
"""


def named(group: click.Group, before: str = "") -> Iterator[str]:
    """Name every command, those of groups behind the group's name."""
    for name, listed in group.commands.items():
        command = listed.load() if isinstance(listed, LoadedLater) else listed
        if isinstance(command, click.Group):
            yield from named(command, f"{before}{name} ")
        else:
            yield before + name


def test_it_is_said_of_every_command_whether_it_acts() -> None:
    assert set(named(commands)) == ACTING | TELLING | STOPPING | COPYING | RUNNING


async def test_each_command_that_acts_leaves_one_line(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(FILE)
    environ = {"BRIDGE_REDIS_URL": redis_url, "BRIDGE_SERVERS": str(tmp_path), "HOOK": "h"}

    async def lines(command: str, *arguments: str) -> list[tuple[str, str, str, str]]:
        status, said = await run(*command.split(), *arguments, "--json", environ=environ)
        assert status == 0, said
        records = [json.loads(line) for line in said.splitlines()]
        return [
            (line["who"], line["what"], line["which"], line["outcome"])
            for line in records
            if line.get("logger") == "audit"
        ]

    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        which = {
            "events redrive": await dead_event(web),
            "replies redrive": await dead_reply(web),
            "calls cancel": (await web.calls.create(new_call())).call_id,
            "events release": (await web.taken()).event_id,
            "events expire": (await web.accept(hook="h")).event_id,
        }
        to_approve = NewApproval("digest", "console", 60)
        for act in ("approve", "refuse"):
            unapproved = await web.calls.create(new_call(to_approve=to_approve))
            which[f"calls {act}"] = unapproved.call_id
        (added,) = await lines("tokens add", "support", "ann")
        assert (added[0], added[1], added[3]) == ("operator", "tokens add", "done")
        which |= {"tokens revoke": added[2], "pause": "support/h", "resume": "support/h"}
        again = {
            "events run-again": (await web.accept(hook="h")).event_id,
            "calls run-again": (
                await web.calls.create(new_call(workflow="w", arguments=b"{}"))
            ).call_id,
        }
        for command, it in again.items():
            ((*said, as_new),) = await lines(command, it)
            assert said == ["operator", command, it]
            assert as_new.startswith(it.partition("_")[0])
        ((*said, key_id, outcome),) = await lines("keys rotate")
        assert (said, outcome) == (["operator", "keys rotate"], "done")
        assert key_id
        assert which.keys() | again.keys() | {"tokens add", "keys rotate"} == ACTING
        for command, it in which.items():
            assert await lines(command, it) == [("operator", command, it, "done")]
        for command in ("events ls", "calls ls", "replies ls", "tokens ls", "keys ls"):
            assert await lines(command) == []


async def test_what_is_done_to_many_leaves_one_line_with_their_count(redis_url: str) -> None:
    environ = {"BRIDGE_REDIS_URL": redis_url}
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        for _ in range(3):
            await dead_event(web)
        redrive = ("events", "redrive", "--hook", "ticket", "--search", "evt", "--json")
        _, said = await run(*redrive, "--dry-run", environ=environ)
        assert "audit" not in said
        _, said = await run(*redrive, environ=environ)

    lines = [json.loads(line) for line in said.splitlines()]
    (act,) = [line for line in lines if line.get("logger") == "audit"]
    bulk, _, chosen = act["which"].partition(" ")
    assert (act["what"], chosen) == ("events redrive", "*/ticket status=dead,expired search=…")
    assert (bulk[:5], act["outcome"]) == ("bulk_", "done")
    assert (act["done_count"], act["refused_count"]) == (3, 0)
