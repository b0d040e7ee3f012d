"""Any web process serves any request of any session, and a payload is one event on all of them."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from mcp.client import Client

from tests.bridge_processes import Bridge, running_bridge
from tests.claude import WIRES, Spread, Wire, use

WEBS = 4
REQUESTS = 200
SESSIONS = 4
PAIRS = 50
CROWD = 50


@pytest.fixture(scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """Run four web processes for all tests of this module."""
    async with running_bridge(tmp_path_factory.mktemp("bridge"), webs=WEBS) as running:
        yield running


@pytest.mark.parametrize("wire", WIRES)
async def test_each_of_200_requests_succeeds_whichever_process_it_reaches(
    bridge: Bridge, wire: Wire
) -> None:
    origins = [web.url for web in bridge.webs]
    spreads = [Spread(origins) for _ in range(SESSIONS)]
    labels = [f"{wire} {n}" for n in range(REQUESTS)]
    answers: dict[str, object] = {}

    async def take_turns(spread: Spread, mine: list[str]) -> None:
        async with bridge.claude(wire, spread) as client:
            for label in mine:
                answers[label] = (await use(client, "inline", label=label, seconds=0))["label"]

    await asyncio.gather(
        *(take_turns(spread, labels[n::SESSIONS]) for n, spread in enumerate(spreads))
    )
    assert answers == {label: label for label in labels}
    assert all(len(bridge.runs(label)) == 1 for label in labels)
    assert all(set(spread.sent) == set(origins) for spread in spreads)


async def test_two_senders_that_race_with_one_key_make_one_event(bridge: Bridge) -> None:
    pairs = itertools.cycle(itertools.combinations(range(WEBS), 2))

    async def race(number: int, *webs: int) -> None:
        key = f"race-{number}"
        answers = await asyncio.gather(*(bridge.send(number, key=key, web=web) for web in webs))
        assert sorted(answer.status_code for answer in answers) == [200, 202]
        assert len({answer.json()["event_id"] for answer in answers}) == 1

    await asyncio.gather(*(race(n, *pair) for n, pair in zip(range(PAIRS), pairs, strict=False)))
    async with bridge.claude() as client:
        assert len(await every_event(client)) == PAIRS


async def test_50_senders_of_one_key_to_four_processes_make_one_event(bridge: Bridge) -> None:
    async with bridge.claude() as client:
        before = await every_event(client)

        answers = await asyncio.gather(
            *(bridge.send("crowd", key="crowd", web=n % WEBS) for n in range(CROWD))
        )

        after = await every_event(client)
    assert sorted(answer.status_code for answer in answers) == [200] * (CROWD - 1) + [202]
    (event_id,) = {answer.json()["event_id"] for answer in answers}
    assert sorted(after) == sorted([*before, event_id])


async def every_event(client: Client) -> list[str]:
    page = await use(client, "list_events", limit=100)
    assert page["next_cursor"] is None
    return [event["event_id"] for event in page["events"]]
