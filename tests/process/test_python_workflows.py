"""Workflows in Python on a bridge of real processes: every wire, and whatever is killed."""

import asyncio
import contextlib
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.bridge_processes import ROOT, Bridge, Child, running_bridge
from tests.claude import WIRES, Spread, Wire, claude, use
from tests.handlers.desks import FOLDER, KEY
from tests.journeys import INTERRUPTED, end_of
from tests.processes import is_gone
from tests.waiting import wait_until

SERVER = "desk"


@contextlib.asynccontextmanager
async def desk_bridge(
    folder: Path, webs: int = 1, also: Sequence[str] = ()
) -> AsyncIterator[Bridge]:
    """Run a bridge that serves the desk, and others like it, of files that a test may change."""
    files = folder / "desk"
    shutil.copytree(FOLDER, files, ignore=shutil.ignore_patterns("__pycache__"))
    for name in also:
        (files / f"{name}.yaml").write_text(
            (FOLDER / "desk.yaml").read_text().replace("name: desk", f"name: {name}")
        )
    async with running_bridge(
        folder,
        webs=webs,
        BRIDGE_SERVERS=str(files),
        DESK_KEY=KEY,
        DESK_HOOK_TOKEN="the-token-of-the-hook",
    ) as bridge:
        yield bridge


@contextlib.asynccontextmanager
async def client_of(
    bridge: Bridge, wire: Wire = "2026-07-28", web: int = 0, server: str = SERVER
) -> AsyncIterator[Client]:
    """Connect a client to the desk, or another server."""
    origin = bridge.webs[web].url
    async with claude(server, "any", wire, Spread([origin]), origin) as client:
        yield client


def printed(worker: Child, server: str = SERVER) -> list[str]:
    """Return what the handlers of a server have printed in a worker."""
    logged = [json.loads(line) for line in worker.log.splitlines() if line.startswith("{")]
    output = (line for line in logged if line["message"] == "handler.output")
    return [line["line"] for line in output if line["server"] == server]


async def start(client: Client, tool: str, deed: str, **arguments: object) -> str:
    """Start a call; returns its id."""
    call_id: str = (await use(client, tool, deed=deed, **arguments))["call_id"]
    return call_id


async def begun(worker: Child, call_id: str) -> None:
    """Wait until the handler of a call runs."""
    await wait_until(
        lambda: any(line.startswith(f"begun {call_id}") for line in printed(worker)),
        "the handler runs",
    )


async def test_startup_and_shutdown_are_called_once_whatever_wires_calls_come_over(
    tmp_path: Path,
) -> None:
    async with desk_bridge(tmp_path) as bridge:
        for wire in WIRES:
            async with client_of(bridge, wire) as client:
                await greeted(client, wire)
        for mode in ("auto", "legacy"):
            program = StdioServerParameters(
                command=sys.executable,
                args=["-m", "bridge", "stdio", SERVER],
                env=bridge.environ,
                cwd=ROOT,
            )
            with (tmp_path / "stdio.log").open("w") as errors:
                async with Client(stdio_client(program, errlog=errors), mode=mode) as client:
                    await greeted(client, mode)
        (worker,) = bridge.workers
        worker.send_signal(signal.SIGTERM)
        await worker.ended()
        assert printed(worker) == ["startup", "shutdown"]


async def greeted(client: Client, name: str) -> None:
    """Have a client greet three guests at once."""
    guests = [f"{name} {number}" for number in range(3)]
    calls = (use(client, "greet", guest={"name": guest}) for guest in guests)
    assert [each["text"] for each in await asyncio.gather(*calls)] == [
        f"Hello {guest}. " for guest in guests
    ]


async def test_calls_of_a_killed_worker_are_failed_or_run_again_and_its_handlers_end_with_it(
    tmp_path: Path,
) -> None:
    async with desk_bridge(tmp_path) as bridge, client_of(bridge) as client:
        (first,) = bridge.workers
        told = tmp_path / "pids"
        once = await start(client, "once", "have_children", value=str(told), seconds=60)
        asking = await start(client, "repeatable", "ask", value="Go on?")
        await wait_until(told.exists, "the handler has a child")
        event = await use(client, "take_event", wait_seconds=20)
        again = await start(client, "repeatable", "sleep", value="done", seconds=3)
        await begun(first, again)
        first.kill()
        second = await bridge.add_worker()
        held = {"event_id": event["event_id"], "lease": event["lease"]}
        await use(client, "reply_to_event", **held, reply="yes")

        assert (await end_of(client, once))["failure"] == INTERRUPTED
        assert (await end_of(client, again))["result"] == "done"
        assert (await end_of(client, asking))["result"] == {"answer": "yes"}
        assert (await use(client, "list_events"))["events"] == []  # it was asked once

        assert {f"begun {again} sleep", f"begun {asking} ask"} <= set(printed(second))
        assert f"begun {once} have_children" not in printed(second)
        child, handlers = map(int, told.read_text().split())
        await wait_until(lambda: is_gone(child) and is_gone(handlers), "they end with the worker")


MISDEEDS: list[dict[str, object]] = [
    {"deed": "end_process"},
    {"deed": "need_memory"},
    {"deed": "forge", "value": "fine"},
    {"deed": "print_much", "value": 8 * 1024 * 1024},
    {"deed": "send_raw", "value": [{"end": 1, "bytes": -1}, 1]},
    {"deed": "send_raw", "value": [{"progress": 1, "share": 0.5, "message": "on"}, 2000]},
]


async def test_two_servers_that_misbehave_garble_nothing_of_a_third(tmp_path: Path) -> None:
    rogues = ("rogue", "other")
    async with contextlib.AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(desk_bridge(tmp_path, also=rogues))
        client, *misused = [
            await stack.enter_async_context(client_of(bridge, server=name))
            for name in (SERVER, *rogues)
        ]
        done = asyncio.Event()

        async def misbehave(rogue: Client) -> int:
            times = 0
            while not done.is_set() or times < len(MISDEEDS):
                await rogue.call_tool("work", {**MISDEEDS[times % len(MISDEEDS)]})
                times += 1
            return times

        misbehaving = [asyncio.create_task(misbehave(rogue)) for rogue in misused]
        for number in range(40):
            await greeted(client, f"guest {number}")
        done.set()
        await asyncio.gather(*misbehaving)
        (worker,) = bridge.workers

        assert printed(worker) == ["startup"]


async def test_a_call_is_followed_and_cancelled_by_whichever_process_is_asked(
    tmp_path: Path,
) -> None:
    async with desk_bridge(tmp_path, webs=2) as bridge, client_of(bridge) as client:
        (worker,) = bridge.workers
        call_id = await start(client, "once", "report", value=f"page {KEY}", seconds=60)

        async with client_of(bridge, web=1) as other:

            async def has_told_all() -> bool:
                call = await use(other, "read_call", call_id=call_id)
                return (call.get("progress"), call.get("message")) == (1, "page [secret] all")

            await wait_until(has_told_all, "the progress is told")
            cancelled = await use(other, "cancel_call", call_id=call_id)

        assert cancelled["status"] == "cancelled"
        await wait_until(
            lambda: f"cancelled {call_id}" in printed(worker), "the handler is cancelled"
        )


async def test_a_question_amid_a_call_is_shown_with_it_and_its_reply_goes_to_the_handler(
    tmp_path: Path,
) -> None:
    async with desk_bridge(tmp_path) as bridge, client_of(bridge) as client:
        asked = await use(client, "work", deed="ask", value={"question": "Go on?"})
        question = asked["input_required"]
        assert (question["hook"], question["payload"]) == ("approve", {"question": "Go on?"})

        event = await use(client, "take_event", event_id=question["event_id"])
        held = {"event_id": event["event_id"], "lease": event["lease"]}
        await use(client, "reply_to_event", **held, reply="yes")

        assert (await end_of(client, asked["call_id"]))["result"] == {"answer": "yes"}


async def test_a_reload_lets_running_calls_end_on_the_code_that_they_began_on(
    tmp_path: Path,
) -> None:
    async with desk_bridge(tmp_path) as bridge, client_of(bridge) as client:
        (worker,) = bridge.workers
        running = await start(client, "once", "ask", value="Go on?")
        await begun(worker, running)
        event = await use(client, "take_event", wait_seconds=20)
        deeds = tmp_path / "desk" / "deeds.py"
        deeds.write_text(deeds.read_text().replace('word = "Hello"', 'word = "Hi"'))

        for process in (worker, *bridge.webs):
            process.send_signal(signal.SIGHUP)

        async def is_new() -> bool:
            greeting = await use(client, "greet", guest={"name": "Ada"})
            return bool(greeting["text"] == "Hi Ada. ")

        await wait_until(is_new, "the new code is run")
        assert "shutdown" not in printed(worker)
        held = {"event_id": event["event_id"], "lease": event["lease"]}
        await use(client, "reply_to_event", **held, reply="yes")
        assert (await end_of(client, running))["result"] == {"answer": "yes"}
        await wait_until(lambda: "shutdown" in printed(worker), "the old process ends")
        assert [line for line in printed(worker) if line in ("startup", "shutdown")] == [
            "startup",
            "startup",
            "shutdown",
        ]


async def test_a_reload_with_broken_code_changes_nothing(tmp_path: Path) -> None:
    async with desk_bridge(tmp_path) as bridge, client_of(bridge) as client:
        (worker,) = bridge.workers
        await wait_until(lambda: printed(worker), "the handlers are started")
        (tmp_path / "desk" / "deeds.py").write_text("import nothing_like_it\n")

        worker.send_signal(signal.SIGHUP)

        await wait_until(lambda: "there is no nothing_like_it" in worker.log, "it is reported")
        await greeted(client, "Ada")
        assert printed(worker) == ["startup"]


async def test_a_handler_knows_who_asks_where_the_file_has_it_told(tmp_path: Path) -> None:
    async with desk_bridge(tmp_path) as bridge, client_of(bridge) as client:
        told = await use(client, "work", deed="tell_caller")
        call_id = await start(client, "once", "tell_caller")
        untold = await end_of(client, call_id)

    assert (told["server"], told["name"], told["operator"]) == (SERVER, "local", "")
    assert told["client"]
    assert (untold["status"], untold.get("result")) == ("succeeded", None)


async def test_the_same_call_again_joins_the_one_that_runs(tmp_path: Path) -> None:
    async with desk_bridge(tmp_path) as bridge, client_of(bridge) as client:
        both = await asyncio.gather(
            *(use(client, "work", deed="sleep", value=1, seconds=1) for _ in range(2))
        )

        assert "attached_to" in str(both)
        assert sum("begun" in line for line in printed(bridge.workers[0])) == 1
