"""A worker that is killed between any two steps loses no call and no reply, and repeats none."""

import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from mcp.client import Client

from tests.bridge_processes import Bridge, running_bridge
from tests.claude import use
from tests.journeys import (
    INTERRUPTED,
    Delivery,
    Question,
    delivery,
    end_of,
    start_call,
    take_question,
)
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

TOOLS = ("once", "repeatable")
CALL_POINTS = {
    "call-leased": TOOLS,
    "call-connected": ("once",),
    "call-sent-at-recorded": TOOLS,
    "call-answered": TOOLS,
    "call-awaited": ("called_back",),
    "call-settled": ("once",),
}
REPLY_POINTS = ("reply-leased", "reply-answered", "reply-settled")
LONG_S = 3.0


@dataclass(frozen=True)
class CallEnd:
    """How a call ended; `asked` counts the requests that n8n got for it."""

    status: str
    failure: str | None
    asked: int


@dataclass(frozen=True)
class Aftermath:
    """What became of what workers died over, by point, and of calls by tool too."""

    calls: dict[str, dict[str, CallEnd]]
    replies: dict[str, Delivery]


DONE = CallEnd("succeeded", None, asked=1)
DONE_ASKED_TWICE = CallEnd("succeeded", None, asked=2)
ONE_DELIVERY = Delivery(resumed_with="yes", waits_for="again", answers=[200])


@pytest.fixture(scope="module")
async def aftermath(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Aftermath]:
    """Let a worker die at every point over a call or reply of its own; then let one work."""
    async with (
        running_bridge(tmp_path_factory.mktemp("bridge"), workers=0) as bridge,
        bridge.claude() as client,
    ):
        calls = {"call-running": await die_over_running_calls(bridge, client)}
        for point, tools in CALL_POINTS.items():
            calls[point] = {tool: await die_over(bridge, client, point, tool) for tool in tools}
        replies = {point: await die_over_a_reply(bridge, client, point) for point in REPLY_POINTS}
        # The last, for nothing keeps another worker from the call: it would die over that too.
        calls["job-taken"] = {"once": await die_over(bridge, client, "job-taken", "once")}
        await bridge.add_worker()
        yield Aftermath(
            {
                point: {tool: await end(bridge, client, point, tool, ids[tool]) for tool in ids}
                for point, ids in calls.items()
            },
            {point: await delivery(bridge, question) for point, question in replies.items()},
        )


async def die_over_running_calls(bridge: Bridge, client: Client) -> dict[str, str]:
    """Kill a worker while n8n runs its calls; returns their ids by tool."""
    worker = await bridge.add_worker()
    ids = {
        tool: await start_call(client, tool, label("call-running", tool), LONG_S) for tool in TOOLS
    }
    await wait_until(lambda: len(bridge.runs()) == len(ids), "n8n has every call")
    worker.kill()
    await worker.ended()
    return ids


async def die_over(bridge: Bridge, client: Client, point: str, tool: str) -> str:
    """Have a worker die over a call; returns the call's id."""
    worker = await bridge.add_worker(point)
    call_id = await start_call(client, tool, label(point, tool))
    assert await worker.ended() == -signal.SIGKILL
    return call_id


async def die_over_a_reply(bridge: Bridge, client: Client, point: str) -> Question:
    """Have a worker die over the reply to a question; give that."""
    worker = await bridge.add_worker(point)
    question = await take_question(bridge, client)
    right = {"event_id": question.event_id, "lease": question.lease}
    await use(client, "reply_to_event", **right, reply="yes")
    assert await worker.ended() == -signal.SIGKILL
    return question


async def end(bridge: Bridge, client: Client, point: str, tool: str, call_id: str) -> CallEnd:
    call = await end_of(client, call_id)
    return CallEnd(call["status"], call.get("failure"), len(bridge.runs(label(point, tool))))


def label(point: str, tool: str) -> str:
    return f"{point} {tool}"


async def test_a_call_whose_job_was_taken_and_not_begun_is_run(aftermath: Aftermath) -> None:
    assert aftermath.calls["job-taken"] == {"once": DONE}


async def test_a_call_that_was_leased_and_not_sent_is_run(aftermath: Aftermath) -> None:
    """One that is idempotent is on record as sent by then, and run again all the same."""
    assert aftermath.calls["call-leased"] == {"once": DONE, "repeatable": DONE}


async def test_a_call_whose_connection_was_made_and_no_more_is_run(aftermath: Aftermath) -> None:
    assert aftermath.calls["call-connected"] == {"once": DONE}


async def test_a_call_on_record_as_sent_may_have_run_though_no_byte_has_left(
    aftermath: Aftermath,
) -> None:
    assert aftermath.calls["call-sent-at-recorded"] == {
        "once": CallEnd("failed", INTERRUPTED, asked=0),
        "repeatable": DONE,
    }


async def test_a_call_that_n8n_runs_is_sent_again_only_if_it_is_idempotent(
    aftermath: Aftermath,
) -> None:
    assert aftermath.calls["call-running"] == {
        "once": CallEnd("failed", INTERRUPTED, asked=1),
        "repeatable": DONE_ASKED_TWICE,
    }


async def test_a_call_whose_answer_was_not_put_down_is_sent_again_only_if_it_is_idempotent(
    aftermath: Aftermath,
) -> None:
    assert aftermath.calls["call-answered"] == {
        "once": CallEnd("failed", INTERRUPTED, asked=1),
        "repeatable": DONE_ASKED_TWICE,
    }


async def test_a_call_that_waits_for_its_callback_needs_no_worker(aftermath: Aftermath) -> None:
    assert aftermath.calls["call-awaited"] == {"called_back": DONE}


async def test_a_call_that_has_ended_stays_as_it_ended(aftermath: Aftermath) -> None:
    assert aftermath.calls["call-settled"] == {"once": DONE}


async def test_a_reply_that_was_leased_and_not_sent_is_delivered_once(aftermath: Aftermath) -> None:
    assert aftermath.replies["reply-leased"] == ONE_DELIVERY


async def test_a_reply_that_n8n_took_is_known_as_delivered_and_resumes_no_second_wait(
    aftermath: Aftermath,
) -> None:
    assert aftermath.replies["reply-answered"] == Delivery("yes", "again", answers=[200, 404])


async def test_a_reply_that_was_delivered_is_not_sent_again(aftermath: Aftermath) -> None:
    assert aftermath.replies["reply-settled"] == ONE_DELIVERY
