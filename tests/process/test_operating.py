"""The operators' commands, as real processes on the store of a bridge that runs elsewhere."""

import json
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bridge.local.ports import free_port
from bridge.local.valkey import EmbeddedValkey
from bridge.models import EventId, LeaseToken, ReplyStatus
from tests.commands import run
from tests.doors.console.operating import desktop
from tests.doors.console.test_subscriptions import fail, subscribe
from tests.processes import running
from tests.store.call_records import new_call
from tests.store.records import ALICE, BOB, WEB, Desk, desk, new_event
from tests.waiting import wait_until

SECRET = "s3cr3t-signature"
ADDRESS = f"http://n8n:5678/webhook-waiting/41/reply?signature={SECRET}"
PAYLOAD = b'{"note": "private matter"}'


@pytest.fixture
def environ(redis_url: str) -> dict[str, str]:
    return {"BRIDGE_REDIS_URL": redis_url, "BRIDGE_N8N_URL": "http://n8n:5678"}


async def told(*command: str, environ: dict[str, str]) -> tuple[int, list[dict[str, Any]]]:
    """Run a command with --json; returns its status and the records that it printed."""
    status, said = await run(*command, "--json", environ=environ)
    lines = [json.loads(line) for line in said.splitlines()]
    return status, [line for line in lines if line.get("logger") != "audit"]


async def dead_event(web: Desk, **changes: Any) -> EventId:
    event = await web.accept(PAYLOAD, execution="aBc9/41", **changes)
    held = await web.take()
    assert held
    await web.events.release(held, status="dead", reason="cannot")
    return event.event_id


async def dead_reply(web: Desk) -> EventId:
    event = await web.accept(PAYLOAD, reply_url=ADDRESS)
    held = await web.take()
    assert held
    await web.events.answer(held, b'"private answer"')
    sending = await web.replies.lease(event.event_id, LeaseToken("t"))
    assert sending
    await web.replies.settle(sending, ReplyStatus.DEAD, failure="n8n said no")
    return event.event_id


async def test_events_are_listed_shown_and_redriven(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        dead = await dead_event(web)
        await web.accept(hook="letter")

        status, rows = await told("events", "ls", environ=environ)
        assert (status, [row["status"] for row in rows]) == (0, ["queued", "dead"])
        _, rows = await told("events", "ls", "--hook", "ticket", environ=environ)
        assert [row["event_id"] for row in rows] == [dead]
        page = ("events", "ls", "--limit", "1", "--since", "1h")
        _, (row, more) = await told(*page, environ=environ)
        assert (row["status"], more["is_cut"]) == ("queued", False)
        _, rows = await told(*page, "--cursor", str(more["next_cursor"]), environ=environ)
        assert rows[0]["event_id"] == dead
        _, rows = await told("events", "ls", "--search", dead[4:].lower(), environ=environ)
        assert [row["event_id"] for row in rows] == [dead]
        _, rows = await told("events", "ls", "--until", "1h", environ=environ)
        assert rows == []
        assert await told("events", "ls", "--count", environ=environ) == (
            0,
            [{"total": 2, "dead": 1, "queued": 1}],
        )

        status, (row,) = await told("events", "show", dead, environ=environ)
        assert (status, row["reason"], "payload" in row) == (0, "cannot", False)
        assert row["execution_url"] == "http://n8n:5678/workflow/aBc9/executions/41"
        assert [moment["what"] for moment in row["timeline"]] == ["accepted", "taken", "released"]
        _, (row,) = await told("events", "show", dead, "--payload", environ=environ)
        assert row["payload"] == json.loads(PAYLOAD)

        status, (row,) = await told("events", "redrive", dead, environ=environ)
        assert (status, row["done"], row["status"]) == (0, True, "queued")
        status, (row,) = await told("events", "redrive", dead, environ=environ)
        assert (status, row["done"]) == (1, False)
        assert row["reason"] == "nothing was set aside: the event is queued"
        assert await web.status(dead) == "queued"


async def test_all_dead_events_of_a_hook_are_redriven_at_once(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        dead = [await dead_event(web) for _ in range(3)]
        redrive = ("events", "redrive", "--status", "dead")
        status, rows = await told(*redrive, "--dry-run", "--limit", "2", environ=environ)
        assert (status, [row.get("event_id") for row in rows]) == (0, [dead[2], dead[1], None])
        assert rows[-1] == {"would_do": "events redrive", "count": 2}
        assert {await web.status(event_id) for event_id in dead} == {"dead"}
        status, (one, _) = await told(*redrive, "--limit", "1", environ=environ)
        assert (status, one["id"]) == (0, dead[2])
        status, (*rows, bulk) = await told(*redrive, environ=environ)
        assert (status, [row["id"] for row in rows]) == (0, dead[:2])
        assert (bulk["status"], bulk["done_count"]) == ("done", 2)
        _, rows = await told("events", "ls", "--bulk", bulk["bulk_id"], environ=environ)
        assert [row["event_id"] for row in rows] == dead[1::-1]
        assert {await web.status(event_id) for event_id in dead} == {"queued"}


async def test_open_calls_of_a_workflow_are_cancelled_at_once(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        ours = [(await web.calls.create(new_call())).call_id for _ in range(2)]
        other = await web.calls.create(new_call(workflow="other"))
        cancel = ("calls", "cancel", "--workflow", "parse")
        status, (*rows, _) = await told(*cancel, environ=environ)
        assert (status, [row["id"] for row in rows]) == (0, ours)
        _, (row,) = await told("calls", "ls", "--status", "queued", environ=environ)
        assert row["call_id"] == other.call_id


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("events", "ls", "--server", "none"), "there is no server none; there are: "),
        (("events", "redrive", "--hook", "none"), "there is no hook none; there are: "),
        (("calls", "ls", "--count", "--workflow", "x"), "there is no workflow x; there are: "),
        (("replies", "ls", "--server", "none"), "there is no server none; there are: "),
        (("calls", "cancel", "--principal", "x"), "there is no principal x; there are: "),
        (("calls", "ls", "--workflow", "x", "--until", "1s"), "there is no workflow x; there are"),
        (("events", "tail", "--server", "none"), "there is no server none; there are: "),
    ],
)
async def test_a_name_that_nothing_has_is_a_fault_that_names_those_there_are(
    command: tuple[str, ...], says: str, environ: dict[str, str]
) -> None:
    status, said = await run(*command, environ=environ)
    assert (status, said.startswith(says)) == (1, True)


async def test_people_get_a_table_in_which_nothing_steers_their_terminal(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        event = await web.accept(PAYLOAD, reply_url=ADDRESS)
        held = await web.take()
        assert held
        await web.events.release(held, status="dead", reason="[red]\x1b[2J no")

        status, listed = await run("events", "ls", environ=environ)
        assert status == 0
        assert event.event_id in listed
        status, shown = await run("events", "show", event.event_id, environ=environ)

    assert status == 0
    assert "[red]\\x1b[2J no" in shown
    assert "released" in shown
    assert "private" not in listed + shown
    assert SECRET not in listed + shown


async def test_an_id_is_shown_whole_however_narrow_the_terminal(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        event, call = await web.accept(), await web.calls.create(new_call())
        for columns in ("80", "20"):
            narrow = environ | {"FORCE_COLOR": "1", "COLUMNS": columns}
            _, listed = await run("events", "ls", environ=narrow)
            assert event.event_id in listed
            _, listed = await run("calls", "ls", environ=narrow)
            assert call.call_id in listed


async def test_dead_replies_are_listed_shown_and_redriven(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        event_id = await dead_reply(web)

        status, (row,) = await told("replies", "ls", environ=environ)
        assert (status, row["event_id"], row["last_failure"]) == (0, event_id, "n8n said no")
        _, (row,) = await told("replies", "show", event_id, environ=environ)
        assert [moment["what"] for moment in row["timeline"]] == ["dead"]
        status, said = await run("events", "show", event_id, "--payload", environ=environ)
        assert (status, SECRET in said) == (0, False)

        status, (row, _) = await told("replies", "redrive", "--all", environ=environ)
        assert (status, row["done"]) == (0, True)
        assert (await told("replies", "ls", environ=environ)) == (0, [])
        _, (row,) = await told("replies", "ls", "--status", "pending", environ=environ)
        assert row["event_id"] == event_id


async def test_a_reply_that_cannot_be_redriven_is_a_fault_and_keeps_no_other_from_it(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        event_id = await dead_reply(web)
        status, rows = await told("replies", "redrive", "evt_none", event_id, environ=environ)
    assert status == 1
    assert [(row["id"], row["done"]) for row in rows] == [("evt_none", False), (event_id, True)]


async def test_a_settled_events_dead_reply_is_redriven_by_the_event_too(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        event_id = await dead_reply(web)
        status, (row,) = await told("events", "redrive", event_id, environ=environ)
    assert (status, row["status"], row["reply_status"]) == (0, "answered", "pending")


async def test_calls_are_found_behind_as_many_others_as_one_page_holds(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        for workflow in ("other", "other", "parse", "other", "parse"):
            await web.calls.create(new_call(workflow=workflow))
        wanted = ("calls", "ls", "--workflow", "parse")
        found = [
            [
                row["call_id"]
                for row in (await told(*wanted, "--limit", most, environ=environ))[1]
                if "call_id" in row
            ]
            for most in ("10", "1")
        ]
    assert len(found[0]) == 2
    assert found[1] == found[0][:1]


async def test_calls_are_listed_shown_and_cancelled(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        call = await web.calls.create(new_call(secret=SECRET, arguments=b'{"a": "private"}'))
        await web.calls.create(new_call(ALICE, workflow="other"))

        status, rows = await told("calls", "ls", "--workflow", "parse", environ=environ)
        assert (status, [row["call_id"] for row in rows]) == (0, [call.call_id])
        status, said = await run("calls", "show", call.call_id, environ=environ)
        assert (status, "private" in said, SECRET in said) == (0, False, False)
        _, (row,) = await told("calls", "show", call.call_id, "--payload", environ=environ)
        assert row["arguments"] == {"a": "private"}

        status, (row,) = await told("calls", "cancel", call.call_id, environ=environ)
        assert (status, row["status"]) == (0, "cancelled")
        status, (row,) = await told("calls", "cancel", call.call_id, environ=environ)
        assert (status, row["reason"]) == (1, "the call has ended: it is cancelled")
        _, (row,) = await told("calls", "show", call.call_id, environ=environ)
        assert row["timeline"][-1]["reason"] == "cancelled by an operator"


@pytest.mark.parametrize("kind", ["events", "calls"])
async def test_tail_follows_what_is_new_until_ctrl_c(
    kind: str, redis_url: str, environ: dict[str, str]
) -> None:
    async def new_one(web: Desk) -> str:
        if kind == "events":
            return (await web.accept()).event_id
        return (await web.calls.create(new_call())).call_id

    async with (
        Redis.from_url(redis_url) as redis,
        desk(redis, WEB) as web,
        running(kind, "tail", "--since", "1h", environ=environ) as tail,
    ):
        for _ in range(2):
            new = await new_one(web)
            await wait_until(partial(tail.has_said, new), f"{new} is shown", 60)
        tail.process.send_signal(signal.SIGINT)
        assert await tail.ended() == 0
    assert tail.output.count(f"{kind[:-1]}_id") == 1


@pytest.mark.parametrize(
    ("option", "shown"), [(("--search", "WANTED"), "wanted"), (("--principal", "bob"), "bob")]
)
async def test_tail_follows_what_has_a_text_or_is_of_a_principal(
    option: tuple[str, str], shown: str, redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        for caller in (ALICE, BOB):
            await web.calls.create(new_call(caller))
        async with running(
            "events" if shown == "wanted" else "calls",
            "tail",
            "--since",
            "1h",
            *option,
            "--json",
            environ=environ,
        ) as tail:
            for _ in range(2):
                wanted = await web.accept(summary="wanted")
                await web.accept(summary="other")
                call = await web.calls.create(new_call(BOB))
                await web.calls.create(new_call(ALICE))
                new = wanted.event_id if shown == "wanted" else call.call_id
                await wait_until(partial(tail.has_said, new), f"{new} is shown", 60)
            tail.process.send_signal(signal.SIGINT)
            assert await tail.ended() == 0
    rows = [json.loads(line) for line in tail.output.splitlines()]
    assert len(rows) == (2 if shown == "wanted" else 3)
    assert {row.get("principal") for row in rows} == {None if shown == "wanted" else "bob"}


async def test_bulk_acts_are_listed_shown_and_stopped(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        await dead_event(web)
        await told("events", "redrive", "--server", "support", environ=environ)
        status, (row,) = await told("bulk", "ls", environ=environ)
        assert (status, row["act"], row["status"], row["done"]) == (0, "redrive", "done", 1)
        _, (shown,) = await told("bulk", "show", row["bulk_id"], environ=environ)
        assert shown["filter"] == {"server": "support", "status": ["dead", "expired"]}
        status, said = await run("bulk", "stop", row["bulk_id"], environ=environ)
        assert (status, said) == (1, "it is done: 1 of 1\n")


async def test_subscriptions_are_listed_without_their_secrets(
    redis_url: str, environ: dict[str, str]
) -> None:
    async with desktop(redis_url) as desk:
        for name in ("alerts", "crm"):
            await subscribe(desk, name)
        await fail(desk, "crm", 60)
        wanted = ("--server", "desk", "--status", "failing")
        status, (row,) = await told("subscriptions", "ls", *wanted, environ=environ)
    assert (status, row["subscription_id"], row["host"]) == (0, "crm", "crm.example:8443")
    assert row["last_error"] == "answered 500"
    assert "not-to-be-shown" not in str(row)


async def test_an_embedded_valkey_is_found_in_the_data_folder(tmp_path: Path) -> None:
    for tcp in (False, True):
        async with EmbeddedValkey(tmp_path / "valkey", tcp=tcp) as valkey:
            async with Redis.from_url(valkey.url) as redis, desk(redis, WEB) as web:
                await web.events.accept(new_event())
            status, rows = await told("events", "ls", environ={"BRIDGE_DATA_DIR": str(tmp_path)})
            assert (status, bool(rows)) == (0, True)
            assert (tmp_path / "valkey" / "valkey.url").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("events", "show", "evt_none"), "no such event"),
        (("calls", "show", "call_none"), "no such call"),
        (("replies", "show", "evt_none"), "no such event"),
    ],
)
async def test_what_is_not_there_is_status_1(
    command: tuple[str, ...], says: str, environ: dict[str, str]
) -> None:
    assert await run(*command, environ=environ) == (1, f"{says}\n")


@pytest.mark.parametrize(
    "command",
    [
        ("events", "ls", "--status", "nonsense"),
        ("events", "ls", "--since", "yesterday"),
        ("events", "redrive"),
        ("events", "redrive", "evt_1", "--status", "dead"),
        ("replies", "redrive"),
        ("calls", "cancel"),
        ("calls", "cancel", "call_1", "--dry-run"),
        ("events", "ls", "--cursor", "x"),
        ("events", "redrive", "--principal", ""),
        ("calls", "cancel", "--server", "support", "--search", ""),
        ("calls", "cancel", "--server", "support", "--search", " "),
        ("events", "tail", "--hook", ""),
        ("calls", "ls", "--since", "1h", "--until", "2h"),
        ("events", "ls", "--since", "2030-01-01T00:00Z", "--until", "2029-01-01T00:00Z"),
        ("calls", "show"),
    ],
)
async def test_wrong_use_is_status_2(command: tuple[str, ...], environ: dict[str, str]) -> None:
    status, _ = await run(*command, environ=environ)
    assert status == 2


async def test_without_a_store_the_command_says_what_to_set(tmp_path: Path) -> None:
    status, said = await run("events", "ls", environ={"BRIDGE_DATA_DIR": str(tmp_path)})
    assert status == 1
    assert "BRIDGE_REDIS_URL is not set" in said
    assert "Traceback" not in said


async def test_a_store_that_does_not_answer_is_status_1() -> None:
    nobody = {"BRIDGE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    status, said = await run("events", "ls", environ=nobody)
    assert status == 1
    assert "the store does not answer" in said
    assert "Traceback" not in said


async def test_tokens_are_made_listed_and_revoked(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "name: support\nhooks: {ticket: {auth: {bearer: env:HOOK_TOKEN}}}\n"
    )
    environ |= {"BRIDGE_SERVERS": str(tmp_path), "HOOK_TOKEN": "h"}
    add = ("tokens", "add", "support")

    status, (made,) = await told(
        *add, "ann", "--read", "--hook", "ticket", "--expires", "90d", environ=environ
    )
    assert (status, made["rights"], made["hooks"]) == (0, "read", ["ticket"])
    assert made["token"].startswith("nb_")
    assert made["expires_at"]
    status, said = await run(*add, "ann", environ=environ)
    assert (status, "other rights" in said) == (1, True)
    assert (await run(*add, "eve", "--hook", "none", environ=environ))[0] == 1
    assert (await run("tokens", "add", "nowhere", "ann", environ=environ))[0] == 1
    assert (await run(*add, "a b", environ=environ))[0] == 2

    _, (listed,) = await told("tokens", "ls", environ=environ)
    assert listed == {name: value for name, value in made.items() if name != "token"}
    status, said = await run("tokens", "ls", environ=environ)
    assert (status, made["token"] in said) == (0, False)
    status, (gone,) = await told("tokens", "revoke", made["token_id"], environ=environ)
    assert (status, gone["status"]) == (0, "revoked")
    assert (await run("tokens", "revoke", made["token_id"], environ=environ))[0] == 1
    assert await told("tokens", "ls", environ=environ) == (0, [])
