"""The short form of the soak, and what it must notice; `make soak` runs it for an hour."""

import asyncio
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import pytest

from bridge.standin.seen import Seen
from bridge.standin.standin import Standin
from tests.chaos.book import Book, CallRecord, EventRecord
from tests.soak.accounts import Accounts, LongLedger
from tests.soak.chart import chart
from tests.soak.report import report
from tests.soak.samples import DESCRIPTORS, KEYS, MEMORY, STORE, Samples
from tests.soak.soak import STDIO, Load, Soak, soaking
from tests.soak.verdict import ALLOWED, grown, growth, too_slow

SHORT = Load(seconds=8, events=6, calls=6)
LEAKS_A_SECOND = 30


def noisy(level: float, rise: float, samples: int = 360) -> list[float]:
    """Make an hour of samples that rise by a share of their level in the last half."""
    chance = Random("noise")
    slope = level * rise / (samples / 2)
    return [level + slope * at + level * chance.uniform(-0.02, 0.02) for at in range(samples)]


def test_a_number_that_stands_still_but_for_noise_and_a_peak_is_not_named() -> None:
    values = noisy(100, 0)
    values[300:320] = [150] * 20
    assert list(grown({("web-0", MEMORY): values})) == []


def test_what_rises_before_the_last_half_and_stands_still_then_is_not_named() -> None:
    assert list(grown({("web-0", MEMORY): [*range(180), *noisy(180, 0, 180)]})) == []


def test_a_number_that_rises_slowly_is_named_with_its_process() -> None:
    risen = list(grown({("web-1", DESCRIPTORS): noisy(100, 2 * ALLOWED), (STORE, KEYS): [7] * 360}))
    assert len(risen) == 1
    assert risen[0].startswith("web-1: descriptors rose by 7.")


def test_descriptors_that_come_and_go_with_the_load_are_no_leak_but_those_that_stay_are() -> None:
    chance = Random("load")
    busy = [100 + chance.randrange(at // 4 + 1) for at in range(360)]
    assert growth(busy) > ALLOWED
    assert list(grown({("web-0", DESCRIPTORS): busy})) == []
    assert list(grown({("web-0", DESCRIPTORS): [at // 4 + each for at, each in enumerate(busy)]}))


def test_too_few_samples_are_no_verdict() -> None:
    with pytest.raises(ValueError, match="2 samples"):
        growth([1, 1])


def test_a_machine_that_does_not_keep_the_pace_is_no_verdict() -> None:
    assert list(too_slow(90, 100, "calls"))
    assert not list(too_slow(99, 100, "calls"))


async def test_the_accounts_name_what_is_lost_what_ran_twice_and_what_failed() -> None:
    book, n8n = Book(), Standin()
    for label in ("settled", "lost", "twice", "failed"):
        book.calls[label] = CallRecord(label, "once", 0, "2026")
    for label in ("settled", "twice", "failed"):
        book.settle_call(book.calls[label], failure="no" if label == "failed" else "")
    book.events["unanswered"] = EventRecord("unanswered", "17", accepted_at=1)
    accounts = Accounts(book, n8n)
    for label in ("settled", "twice", "twice"):
        n8n.seen.add(Seen("POST", "/webhook/slow-tool", "", {}, {"label": label}, outcome=200))
        accounts.take()
    ledger = LongLedger.of(accounts)
    assert (ledger.lost, ledger.twice) == (["lost", "unanswered"], ["twice"])
    assert ledger.wrong == ["failed: no"]


@pytest.mark.timeout(120)
async def test_a_short_soak_loses_nothing_and_names_the_process_that_leaks(tmp_path: Path) -> None:
    async with soaking(tmp_path, SHORT) as soak:
        leaking = asyncio.create_task(leak(soak))
        await soak.run()
        leaking.cancel()
        await asyncio.gather(leaking, return_exceptions=True)
    ledger = soak.ledger
    assert (ledger.lost, ledger.twice, ledger.wrong) == ([], [], [])
    assert {call.wire for call in ledger.calls if call.execution} >= {"2026", "2025", *STDIO}
    named = [line.partition(" rose")[0] for line in grown(soak.samples.of)]
    assert f"web-0: {DESCRIPTORS}" in named
    assert f"{STORE}: {KEYS}" in named
    assert f"stdio-2026: {DESCRIPTORS}" not in named
    assert len(list(report(soak))) == len(soak.samples.of) + 5
    assert chart(soak.samples).count("<polyline") == len(soak.samples.of)


async def leak(soak: Soak) -> None:
    """Open connections that nobody closes, and write keys without a death date."""
    address = urlsplit(soak.bridge.webs[0].url)
    open_ones = []
    try:
        for number in range(1_000_000):
            open_ones.append(await asyncio.open_connection(address.hostname, address.port))
            await soak.redis.set(f"leaked:{number}", "")
            await asyncio.sleep(1 / LEAKS_A_SECOND)
    finally:
        for _, writer in open_ones:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in open_ones))


def test_the_chart_has_a_panel_for_each_number_and_a_line_for_each_process() -> None:
    samples = Samples(10, {("web-0", MEMORY): [1, 2], (STORE, MEMORY): [3, 4], (STORE, KEYS): [5]})
    assert chart(samples).count("<polyline") == 3
