"""With BRIDGE_REPLICAS_MIN a step that may promise something is answered once replicas have it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from bridge.errors import StoreUnavailableError
from bridge.models import EventStatus, new_event_id
from bridge.store import replicas
from bridge.store.assembly import scripts
from bridge.store.keys import PREFIX
from bridge.store.pool import connected_to
from tests.sentinels import Replicated, Server, replicated
from tests.store.records import WEB, WORKER, Desk, desk, new_event

PATIENCE_S = 1.0
LONG_S = 30.0
"""How patient a process is that is to be answered; one that is refused is so sooner."""

FEW = "fewer replicas than BRIDGE_REPLICAS_MIN=1 acknowledge"


@pytest.fixture(scope="module")
async def group(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Replicated]:
    async with replicated(tmp_path_factory.mktemp("replicated"), sentinels=()) as running:
        yield running


@pytest.fixture
def primary(group: Replicated) -> Server:
    return group.servers[0]


@pytest.fixture
def replica(group: Replicated) -> Server:
    return group.servers[1]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "WAIT_MS", 200)


@pytest.fixture
async def web(primary: Server) -> AsyncIterator[Desk]:
    """Open a process that promises nothing that only one server has."""
    with connected_to(primary.url) as redis:
        async with desk(redis, WEB, LONG_S, replicas_min=1) as opened:
            yield opened


@pytest.fixture
async def hasty(primary: Server) -> AsyncIterator[Desk]:
    """Open a process that waits for no replica."""
    with connected_to(primary.url) as redis:
        async with desk(redis, WORKER, LONG_S) as opened:
            yield opened


@contextlib.contextmanager
def frozen(server: Server, *impatient: Desk) -> Iterator[None]:
    """Have a server stand still; those named give up sooner meanwhile."""
    for each in impatient:
        each.steps.patience_s = PATIENCE_S
    server.freeze()
    try:
        yield
    finally:
        server.thaw()
        for each in impatient:
            each.steps.patience_s = LONG_S


async def test_an_event_is_accepted_once_a_replica_has_it(web: Desk, replica: Server) -> None:
    with frozen(replica):
        accepting = asyncio.create_task(web.accept())
        done, _ = await asyncio.wait([accepting], timeout=PATIENCE_S / 2)
        assert not done
    event = await accepting

    assert await replica.ask("HGET", f"{PREFIX}event:{event.event_id}", "status") == "queued"


async def test_a_step_that_no_replica_acknowledges_is_given_up_and_says_why(
    web: Desk, replica: Server
) -> None:
    claim = await web.taken()
    with frozen(replica, web):
        promises = web.accept(), web.take(), web.events.answer(claim, b"1")
        for refused in await asyncio.gather(*promises, return_exceptions=True):
            assert isinstance(refused, StoreUnavailableError)
            assert FEW in str(refused)

    assert await web.events.answer(claim, b"1") == ("answered", "none")


async def test_what_another_process_has_just_written_is_promised_no_sooner(
    web: Desk, hasty: Desk, replica: Server
) -> None:
    new = new_event(idempotency="key")
    with frozen(replica, web):
        await hasty.events.accept(new)
        with pytest.raises(StoreUnavailableError, match=FEW):
            await web.events.accept(replace(new, event_id=new_event_id()))

    outcome, event = await web.events.accept(replace(new, event_id=new_event_id()))
    assert (outcome, event and event.event_id) == ("duplicate", new.event_id)


async def test_what_only_reads_is_answered_without_replicas(web: Desk, replica: Server) -> None:
    event = await web.accept()
    with frozen(replica, web):
        refused = asyncio.create_task(web.take())
        await asyncio.sleep(0)  # it has begun
        web.steps.patience_s = LONG_S
        assert await web.status(event.event_id) == EventStatus.QUEUED
        with pytest.raises(StoreUnavailableError, match=FEW):
            await refused
        assert await web.events.read(event.event_id)


def test_steps_that_only_read_drop_at_most_what_is_gone_from_the_lists_that_they_read() -> None:
    reading = [scripts().find(name) for name in scripts().names()]
    dropping = {each.name for each in reading if each.only_reads and "'ZREM'" in each.text}

    assert dropping == {
        *("calls.list", "events.list", "subscribed.find", "totals.read"),
        *("searching.events", "searching.count_events"),
        *("searching.calls", "searching.count_calls"),
    }


async def test_a_primary_that_wants_replicas_itself_takes_nothing_and_says_why(
    hasty: Desk, primary: Server, replica: Server
) -> None:
    await primary.ask("CONFIG", "SET", "min-replicas-to-write", 1)
    await primary.ask("CONFIG", "SET", "min-replicas-max-lag", 1)
    with frozen(replica, hasty):
        refused = await refusal_of(hasty)
        assert "fewer replicas follow Redis than its min-replicas-to-write" in str(refused)
        assert "in maintenance" in str(refused)
        assert refused.retry_after_s
    await primary.ask("CONFIG", "SET", "min-replicas-to-write", 0)


async def test_without_a_number_of_replicas_nothing_is_sent_for_them(
    hasty: Desk, primary: Server
) -> None:
    before = await primary.ask("INFO", "commandstats")
    await hasty.accept()

    assert calls_of(await primary.ask("INFO", "commandstats"), "wait") == calls_of(before, "wait")


async def refusal_of(web: Desk) -> StoreUnavailableError:
    """Send events until one is refused."""
    while True:
        try:
            await web.accept()
        except StoreUnavailableError as error:
            return error


def calls_of(stats: dict[str, dict[str, int]], command: str) -> int:
    return stats.get(f"cmdstat_{command}", {"calls": 0})["calls"]
