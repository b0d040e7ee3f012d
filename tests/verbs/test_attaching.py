"""Attaching: the same call asked again joins the earlier one, within its window and no further."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.configuration.servers import Server
from bridge.models import Call, CallStatus, Principal, new_call_id, new_lease_token
from bridge.runtime import Runtime
from bridge.verbs.calls import CallRequest
from tests.apps import running_app

ALICE, BOB = Principal("tools", "alice"), Principal("tools", "bob")
WORKFLOWS: dict[str, dict[str, Any]] = {
    "send": {},
    "also_send": {},
    "once": {"attach": False},
    "brief": {"attach_for": "1ms"},
}
TOOLS = Server.model_validate(
    {
        "name": "tools",
        "workflows": {
            name: {
                "url": "http://n8n:5678/webhook/x",
                "description": "Does something.",
                "input": {"type": "object"},
                **said,
            }
            for name, said in WORKFLOWS.items()
        },
    }
)


@pytest.fixture
async def runtime(redis_url: str) -> AsyncIterator[Runtime]:
    async with running_app(redis_url, TOOLS) as running:
        yield running.runtime


async def start(
    runtime: Runtime,
    tool: str = "send",
    principal: Principal = ALICE,
    use: str = "",
    promised: bool = False,
    **given: Any,
) -> Call:
    workflow = TOOLS.workflows[tool]
    asked = CallRequest(principal, workflow, given, new_call_id(), tool_use=use, promised=promised)
    return await runtime.mcp.calls.start(asked)


async def forget(runtime: Runtime, call: Call) -> None:
    """Have a call look as if nobody had waited for it in a long time."""
    await runtime.redis.hset(f"{{bridge}}:call:{call.call_id}", "waited_at", "0")


async def end(runtime: Runtime, call: Call) -> Call:
    running = await runtime.stores.runs.lease(call.call_id, new_lease_token())
    assert running is not None
    assert await runtime.stores.runs.finish(running, CallStatus.SUCCEEDED, result=b"1")
    return await runtime.mcp.calls.wait(call.call_id, call.principal, 0)


async def test_the_same_call_joins_one_that_is_not_finished(runtime: Runtime) -> None:
    first = await start(runtime, b=2, a=[1.0, {"x": None}])
    again = await start(runtime, a=[1, {"x": None}], b=2)

    assert (again.call_id, again.attached) == (first.call_id, True)


@pytest.mark.parametrize(
    ("tool", "principal", "given"),
    [("also_send", ALICE, {"n": 1}), ("send", BOB, {"n": 1}), ("send", ALICE, {"n": 2})],
)
async def test_another_tool_principal_or_argument_is_another_call(
    runtime: Runtime, tool: str, principal: Principal, given: dict[str, Any]
) -> None:
    first = await start(runtime, n=1)
    other = await start(runtime, tool, principal, **given)

    assert other.call_id != first.call_id


async def test_a_result_that_reached_nobody_is_given_to_the_same_call(runtime: Runtime) -> None:
    first = await end(runtime, await start(runtime))

    assert (await start(runtime)).call_id == first.call_id


async def test_an_intended_repeat_after_the_result_was_handed_over_runs_anew(
    runtime: Runtime,
) -> None:
    first = await end(runtime, await start(runtime))
    await runtime.mcp.calls.handed_over(first)

    again = await start(runtime)
    assert (again.call_id != first.call_id, again.attached) == (True, False)


async def test_the_same_tool_use_gets_its_result_again_even_after_the_handover(
    runtime: Runtime,
) -> None:
    first = await end(runtime, await start(runtime, use="toolu_1"))
    await runtime.mcp.calls.handed_over(first)

    assert (await start(runtime, use="toolu_1")).call_id == first.call_id
    assert (await start(runtime, use="toolu_2")).call_id != first.call_id


async def test_each_tool_use_gets_the_result_of_its_own_call_again(runtime: Runtime) -> None:
    calls = {}
    for use in ("toolu_1", "toolu_2"):
        calls[use] = await end(runtime, await start(runtime, use=use))
        await runtime.mcp.calls.handed_over(calls[use])

    for use, call in calls.items():
        assert (await start(runtime, use=use)).call_id == call.call_id


async def test_a_tool_use_that_joined_gets_its_result_again_after_the_handover(
    runtime: Runtime,
) -> None:
    first = await start(runtime, use="toolu_1")
    assert (await start(runtime, use="toolu_2")).call_id == first.call_id
    await runtime.mcp.calls.handed_over(await end(runtime, first))

    assert (await start(runtime, use="toolu_2")).call_id == first.call_id


@pytest.mark.parametrize("use", ["", "toolu_1"])
async def test_a_call_dropped_because_nobody_waited_is_not_joined(
    runtime: Runtime, use: str
) -> None:
    first = await start(runtime, use=use)
    await forget(runtime, first)
    assert await runtime.stores.runs.lease(first.call_id, new_lease_token()) is None

    assert (await start(runtime, use=use)).call_id != first.call_id


async def test_a_task_that_joined_an_unsent_call_keeps_it(runtime: Runtime) -> None:
    first = await start(runtime)
    assert (await start(runtime, promised=True)).call_id == first.call_id
    await forget(runtime, first)

    assert await runtime.stores.runs.lease(first.call_id, new_lease_token())


async def test_a_tool_use_alone_selects_no_call(runtime: Runtime) -> None:
    first = await start(runtime, use="toolu_1", n=1)

    assert (await start(runtime, use="toolu_1", n=2)).call_id != first.call_id


async def test_attach_false_joins_nothing(runtime: Runtime) -> None:
    assert (await start(runtime, "once")).call_id != (await start(runtime, "once")).call_id


async def test_after_attach_for_a_finished_call_is_joined_no_more(runtime: Runtime) -> None:
    first = await end(runtime, await start(runtime, "brief"))
    await runtime.mcp.calls.wait(first.call_id, ALICE, 0)  # a round trip: more than a millisecond

    again = await start(runtime, "brief")
    while again.call_id == first.call_id:
        again = await start(runtime, "brief")
    assert not again.attached


async def test_a_cancelled_call_is_not_joined(runtime: Runtime) -> None:
    first = await start(runtime)
    await runtime.mcp.calls.cancel(first.call_id, ALICE)

    assert (await start(runtime)).call_id != first.call_id


@pytest.mark.parametrize("odd", [2**60, -(2**53) - 1, "\ud800"])
async def test_arguments_without_a_canonical_form_join_what_is_equal_to_the_digit(
    runtime: Runtime, odd: object
) -> None:
    first = await start(runtime, a=1, n=odd)

    assert (await start(runtime, n=odd, a=1)).call_id == first.call_id
    assert (await start(runtime, a=1, n=2**60 + 1)).call_id != first.call_id


async def test_the_same_request_served_twice_starts_one_call(runtime: Runtime) -> None:
    asked = CallRequest(ALICE, TOOLS.workflows["once"], {}, new_call_id())

    first, again = [await runtime.mcp.calls.start(asked) for _ in range(2)]

    assert (again.call_id, again.attached) == (first.call_id, False)
