"""Server files that are read anew at a SIGHUP: what they say now is served, and nothing breaks."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp_types import INVALID_PARAMS

from tests.bridge_processes import (
    HOOK_TOKEN,
    SERVER,
    TOKEN,
    Bridge,
    Child,
    label_of,
    running_bridge,
)
from tests.claude import sentence, use
from tests.doors.by_hand import (
    Event,
    Modern,
    answer_on,
    call,
    events,
    open_pipe,
    open_session,
    request,
    shake_hands,
)
from tests.stdio_program import META, StartedProgram, stdio_program
from tests.waiting import wait_until

CHANGED = "notifications/tools/list_changed"
OTHER_TOKEN = "the-token-of-somebody-else"
WANTED = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
READ = ('"server_files.reloaded"', '"server_files.kept"')

Stream = AsyncGenerator[Event, None]


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    async with running_bridge(tmp_path, PROOF_OTHER_TOKEN=OTHER_TOKEN) as running:
        yield running


def file_of(bridge: Bridge) -> Path:
    return Path(bridge.environ["BRIDGE_SERVERS"], f"{SERVER}.json")


def written(bridge: Bridge) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file_of(bridge).read_text())
    return content


def write(bridge: Bridge, **changes: object) -> None:
    """Write the server's file with these keys changed."""
    file_of(bridge).write_text(json.dumps(written(bridge) | changes))


def write_tools(bridge: Bridge, **changes: Mapping[str, Any] | None) -> None:
    """Write the server's file with these workflows changed, those of None removed."""
    workflows = written(bridge)["workflows"] | changes
    kept = {name: workflow for name, workflow in workflows.items() if workflow is not None}
    write(bridge, workflows=kept)


def tool(bridge: Bridge, **changes: object) -> dict[str, Any]:
    """Return a workflow like those of the file."""
    return {**written(bridge)["workflows"]["inline"], **changes}


async def reload(*children: Child) -> None:
    """Have processes read their files anew, and wait until they have."""
    before = [times_read(child) for child in children]
    for child in children:
        child.send_signal(signal.SIGHUP)
    for child, times in zip(children, before, strict=True):
        await wait_until(partial(has_read, child, times + 1), f"{child.name} has reloaded")


def has_read(child: Child, times: int) -> bool:
    return times_read(child) >= times


def times_read(child: Child) -> int:
    """Count the reloads that it has logged the end of."""
    return sum(any(each in line for each in READ) for line in child.log.splitlines())


async def reload_all(bridge: Bridge) -> None:
    await reload(*bridge.webs, *bridge.workers)


async def told(stream: Stream, method: str) -> None:
    """Read on until a notification is there."""
    while (await answer_on(stream)).get("method") != method:
        pass


def names_in(listed: Mapping[str, Any]) -> set[str]:
    return {each["name"] for each in listed["result"]["tools"]}


# The wires


async def test_a_listener_of_2026_is_told_at_once_and_finds_the_new_list(bridge: Bridge) -> None:
    modern = Modern(bridge.http, f"{bridge.webs[0].url}/mcp/{SERVER}", TOKEN)
    async with (
        modern.stream(request("subscriptions/listen", 7, notifications=WANTED)) as answer,
        contextlib.aclosing(events(answer)) as stream,
    ):
        await told(stream, "notifications/subscriptions/acknowledged")
        write_tools(bridge, added=tool(bridge), narrow=None)
        await reload_all(bridge)
        await told(stream, CHANGED)
        listed = names_in((await modern.post(request("tools/list"))).json())
        assert "added" in listed
        assert "narrow" not in listed
        write(
            bridge, hooks=written(bridge)["hooks"] | {"more": written(bridge)["hooks"]["question"]}
        )
        await reload_all(bridge)
        await told(stream, "notifications/resources/list_changed")
        headers = {"authorization": f"Bearer {HOOK_TOKEN}"}
        url = f"{bridge.webs[0].url}/hooks/{SERVER}/more"
        assert (await bridge.http.post(url, json={}, headers=headers)).status_code == 202
        await told(stream, "notifications/resources/list_changed")


async def test_a_session_of_2025_is_told_at_once_and_goes_on_with_the_new_list(
    bridge: Bridge,
) -> None:
    session = await open_session(bridge.http, f"{bridge.webs[0].url}/mcp/{SERVER}", token=TOKEN)
    async with session.listen() as answer, contextlib.aclosing(events(answer)) as stream:
        await anext(stream)
        write_tools(bridge, added=tool(bridge), narrow=None)
        await reload_all(bridge)
        await told(stream, CHANGED)
        listed = names_in((await session.post(request("tools/list"))).json())
        assert "added" in listed
        assert "narrow" not in listed


@pytest.mark.parametrize("wire", ["2025", "sse"])
async def test_sessions_are_told_at_once_of_prompts_and_inboxes_that_are_others(
    bridge: Bridge, wire: str
) -> None:
    web = bridge.webs[0].url
    async with contextlib.AsyncExitStack() as stack:
        if wire == "sse":
            pipe = await stack.enter_async_context(
                open_pipe(bridge.http, web, f"/sse/{SERVER}", token=TOKEN)
            )
            await shake_hands(pipe)
            stream = pipe.stream
        else:
            session = await open_session(bridge.http, f"{web}/mcp/{SERVER}", token=TOKEN)
            answer = await stack.enter_async_context(session.listen())
            stream = await stack.enter_async_context(contextlib.aclosing(events(answer)))
            await anext(stream)
        hooks = written(bridge)["hooks"]
        write(bridge, hooks=hooks | {"more": hooks["question"]})
        await reload_all(bridge)
        await told(stream, "notifications/prompts/list_changed")
        await told(stream, "notifications/resources/list_changed")


async def test_a_session_that_hears_of_inboxes_is_told_of_lists_as_well(bridge: Bridge) -> None:
    session = await open_session(bridge.http, f"{bridge.webs[0].url}/mcp/{SERVER}", token=TOKEN)
    async with session.listen() as answer, contextlib.aclosing(events(answer)) as stream:
        await anext(stream)
        await session.post(request("resources/subscribe", 8, uri=f"event://{SERVER}/question"))
        await bridge.send({"for": "anybody"})
        await told(stream, "notifications/resources/updated")
        write_tools(bridge, narrow=None)
        await reload_all(bridge)
        await told(stream, CHANGED)


async def test_a_session_of_sse_is_told_at_once_and_goes_on_with_the_new_list(
    bridge: Bridge,
) -> None:
    async with open_pipe(bridge.http, bridge.webs[0].url, f"/sse/{SERVER}", token=TOKEN) as pipe:
        await shake_hands(pipe)
        write_tools(bridge, added=tool(bridge), narrow=None)
        await reload_all(bridge)
        await told(pipe.stream, CHANGED)
        await pipe.post(request("tools/list", 9))
        listed = names_in(await answer_on(pipe.stream))
        assert "added" in listed
        assert "narrow" not in listed


@pytest.mark.parametrize("envelope", [None, META], ids=["handshake", "2026"])
async def test_a_client_of_stdio_is_told_at_once_and_goes_on_with_the_new_list(
    bridge: Bridge, tmp_path: Path, envelope: Mapping[str, Any] | None
) -> None:
    log = tmp_path / "stdio.log"
    async with stdio_program(bridge.environ, envelope=envelope, log=log) as program:
        if envelope is None:
            await program.shake_hands()
        else:
            program.request("subscriptions/listen", notifications=WANTED)
            await program.told("notifications/subscriptions/acknowledged")
        write_tools(bridge, added=tool(bridge), narrow=None)
        program.process.send_signal(signal.SIGHUP)
        await heard(program, CHANGED)
        listed = {each["name"] for each in (await program.ask("tools/list"))["tools"]}
        assert "added" in listed
        assert "narrow" not in listed
        file_of(bridge).write_text(json.dumps(written(bridge) | {"name": "another"}))
        program.process.send_signal(signal.SIGHUP)
        await wait_until(lambda: READ[1] in log.read_text(), "the fault is named")
        assert {each["name"] for each in (await program.ask("tools/list"))["tools"]} == listed


async def test_a_client_of_stdio_is_told_of_changed_files_where_its_program_looks_for_them(
    bridge: Bridge,
) -> None:
    async with stdio_program(bridge.environ, "--reload") as program:
        await program.shake_hands()
        write_tools(bridge, added=tool(bridge))
        await heard(program, CHANGED)
        assert "added" in {each["name"] for each in (await program.ask("tools/list"))["tools"]}


async def heard(program: StartedProgram, method: str) -> None:
    while (frame := await program.hear()) is not None:
        if frame.get("method") == method:
            return
    raise AssertionError(f"the program has ended without {method}")


# Tools


async def test_a_changed_tool_is_called_as_it_is_now_and_a_removed_one_is_unknown(
    bridge: Bridge,
) -> None:
    modern = Modern(bridge.http, f"{bridge.webs[0].url}/mcp/{SERVER}", TOKEN)
    needs = {"type": "object", "required": ["label"], "properties": {"label": {"type": "string"}}}
    write_tools(bridge, inline=tool(bridge, input=needs), narrow=None, added=tool(bridge))
    await reload_all(bridge)
    gone = (await modern.post(call("narrow"))).json()
    assert gone["error"]["code"] == INVALID_PARAMS
    async with bridge.claude() as claude:
        assert "label" in sentence(await claude.call_tool("inline", {}))
        assert await use(claude, "added", label="new", seconds=0) is not None


async def test_a_call_that_runs_ends_on_the_old_definition_by_every_way_of_answering(
    bridge: Bridge,
) -> None:
    strict = {"type": "object", "required": ["what_nobody_answers"]}
    names = ("inline", "called_back", "followed")
    old = written(bridge)["workflows"]
    plain = {name: {**old[name], "answer_inline_for": "2m"} for name in names}
    write_tools(bridge, **plain)
    await reload_all(bridge)
    modern = Modern(bridge.http, f"{bridge.webs[0].url}/mcp/{SERVER}", TOKEN)
    waiting = [
        asyncio.create_task(modern.post(call(name, label=name, seconds=3))) for name in names
    ]
    await wait_until(lambda: len(bridge.runs()) == len(names), "all are sent")
    write_tools(bridge, inline={**plain["inline"], "output": strict}, called_back=None)
    await reload_all(bridge)
    write_tools(bridge, followed={**plain["followed"], "output": strict})
    await reload_all(bridge)
    for answer in await asyncio.gather(*waiting):
        assert not result_of(answer)["isError"], answer.text
    again = result_of(await modern.post(call("inline", label="new", seconds=0)))
    assert "output schema" in again["content"][0]["text"]


def result_of(answer: httpx2.Response) -> dict[str, Any]:
    """Return the result in an answer, which may have come as the last event of a stream."""
    *_, last = (line for line in answer.text.splitlines() if '"jsonrpc"' in line)
    content: dict[str, Any] = json.loads(last.removeprefix("data: "))
    return {"isError": False, **content["result"]}


# Hooks and tokens


async def test_a_hook_that_is_removed_takes_nothing_and_its_leased_event_is_answered(
    bridge: Bridge,
) -> None:
    parked = await bridge.park("answer")
    await bridge.send({"for": "claude"}, reply_url=parked["replyUrl"])
    async with bridge.claude() as claude:
        taken = await use(claude, "take_event")
        write(bridge, hooks={})
        await reload_all(bridge)
        assert (await bridge.send({"for": "nobody"})).status_code == 404
        lease = {"event_id": taken["event_id"], "lease": taken["lease"]}
        answered = await use(claude, "reply_to_event", **lease, reply={"said": "yes"})
        assert answered["reply_status"] == "pending"

    async def is_delivered() -> bool:
        return any(seen.body == {"said": "yes"} for seen in bridge.n8n.seen.of())

    await wait_until(is_delivered, "the reply is delivered")


async def test_a_removed_token_lets_nobody_in_and_its_streams_are_cut(bridge: Bridge) -> None:
    both = [
        {"name": "one", "token": "env:PROOF_TOKEN"},
        {"name": "other", "token": "env:PROOF_OTHER_TOKEN"},
    ]
    write(bridge, tokens=both)
    await reload_all(bridge)
    url = f"{bridge.webs[0].url}/mcp/{SERVER}"
    stays = await open_session(bridge.http, url, token=TOKEN)
    goes = await open_session(bridge.http, url, token=OTHER_TOKEN)
    async with (
        stays.listen() as staying,
        contextlib.aclosing(events(staying)) as stream,
        goes.listen() as going,
        open_pipe(bridge.http, bridge.webs[0].url, f"/sse/{SERVER}", token=OTHER_TOKEN) as pipe,
    ):
        await anext(stream)
        write(bridge, tokens=both[:1])
        await reload_all(bridge)
        await going.aread()
        assert [each async for each in pipe.stream] == []
        assert (await goes.post(request("tools/list"))).status_code == 401
        write_tools(bridge, narrow=None)
        await reload_all(bridge)
        await told(stream, CHANGED)


async def test_a_server_comes_and_goes_with_its_file(bridge: Bridge) -> None:
    modern = Modern(bridge.http, f"{bridge.webs[0].url}/mcp/second", TOKEN)
    assert (await modern.post(request("tools/list"))).status_code == 404
    second = file_of(bridge).with_name("second.json")
    second.write_text(json.dumps(written(bridge) | {"name": "second"}))
    await reload_all(bridge)
    assert "inline" in names_in((await modern.post(request("tools/list"))).json())
    ran = (await modern.post(call("inline", label="second", seconds=0))).json()
    assert not ran["result"].get("isError")
    async with open_pipe(bridge.http, bridge.webs[0].url, "/sse/second", token=TOKEN) as pipe:
        second.unlink()
        await reload_all(bridge)
        assert [each async for each in pipe.stream] == []
    assert (await modern.post(request("tools/list"))).status_code == 404


# Faults, and load


async def test_faulty_files_change_nothing_and_are_named_line_by_line(bridge: Bridge) -> None:
    before = file_of(bridge).read_text()
    second = file_of(bridge).with_name("second.json")
    second.write_text('{"name": "second"}')
    write(bridge, hooks={"question": {"auth": 5}}, colour="red")
    await reload_all(bridge)
    web = bridge.webs[0]
    kept = [json.loads(line) for line in web.log.splitlines() if READ[1] in line]
    assert len(kept) == 2
    assert all(f"{SERVER}.json:" in each["fault"] for each in kept)
    assert (await bridge.send({"for": "claude"})).status_code == 202
    modern = Modern(bridge.http, f"{web.url}/mcp/second", TOKEN)
    assert (await modern.post(request("tools/list"))).status_code == 404
    file_of(bridge).write_text(before)
    await reload_all(bridge)
    assert (await modern.post(request("tools/list"))).status_code == 200


async def test_twenty_reloads_under_load_lose_nothing(bridge: Bridge) -> None:
    is_over = asyncio.Event()
    took: list[str] = []
    ran: list[str] = []

    async def send() -> None:
        while not is_over.is_set():
            answer = await bridge.send({"number": len(took)})
            assert answer.status_code == 202
            took.append(answer.json()["event_id"])

    async def run(number: int) -> None:
        async with bridge.claude(("2026-07-28", "legacy", "sse")[number]) as claude:
            while not is_over.is_set():
                label = f"{number}-{len(ran)}"
                assert await use(claude, "inline", label=label, seconds=0.1) is not None
                ran.append(label)

    async def replace() -> None:
        try:
            for number in range(20):
                write_tools(bridge, inline=tool(bridge, description=f"The {number}th."))
                await reload_all(bridge)
        finally:
            is_over.set()

    async with asyncio.TaskGroup() as tasks:
        for work in (send(), *(run(number) for number in range(3)), replace()):
            tasks.create_task(work)
    assert len({label_of(seen) for seen in bridge.runs()}) == len(bridge.runs()) == len(ran)
    async with bridge.claude() as claude:
        listed = {each.name: each for each in (await claude.list_tools()).tools}
        assert listed["inline"].description == "The 19th."
        waiting = await use(claude, "list_events", limit=100)
        assert len(waiting["events"]) == min(len(took), 100)
