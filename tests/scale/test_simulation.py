"""The simulation comes near what was measured, obeys the laws of queues, and fed the page."""

import pytest

from tests.scale.__main__ import PAGE
from tests.scale.costs import measured
from tests.scale.simulation import LOAD, STORE, WEB, Part, Run, Site
from tests.scale.tables import CHECKED, predicted, with_tables

TOLERANCE = 0.35
"""How far a predicted rate may be from the one that was measured, as a share of it."""


def site(cores: int = 2, flush_s: float = 0.001) -> Site:
    return Site({LOAD: 1, WEB: 1}, cores, True, flush_s, 0)


@pytest.mark.parametrize(("unit", "clients"), CHECKED)
def test_the_rate_of_this_machine_is_predicted_from_what_each_process_takes(
    unit: str, clients: int
) -> None:
    truth = measured(unit, clients).per_s

    assert predicted(unit, clients).per_s == pytest.approx(truth, rel=TOLERANCE)


def test_a_process_that_is_always_busy_sets_the_pace() -> None:
    found = Run(site(), [Part(WEB, 0.002)]).closed(10, 5)

    assert found.per_s == pytest.approx(500, rel=0.01)
    assert found.busy[WEB] == pytest.approx(1, rel=0.01)


def test_clients_times_rate_is_time_as_little_says() -> None:
    found = Run(site(), [Part(WEB, 0.001), Part(STORE, 0.0001, WEB)]).closed(20, 5)

    assert found.per_s * found.p50_ms / 1000 == pytest.approx(20, rel=0.1)


def test_one_core_for_all_is_shared_out() -> None:
    parts = [Part(LOAD, 0.001), Part(WEB, 0.001)]

    assert Run(site(cores=1), parts).closed(10, 5).per_s == pytest.approx(500, rel=0.02)
    assert Run(site(cores=2), parts).closed(10, 5).per_s == pytest.approx(1000, rel=0.02)


def test_steps_that_come_during_a_flush_share_the_next_one() -> None:
    alone = Run(site(), [Part(STORE, 0, WEB)]).closed(1, 5)
    many = Run(site(), [Part(STORE, 0, WEB)]).closed(50, 5)

    assert alone.per_s == pytest.approx(1000, rel=0.01)
    assert many.per_s == pytest.approx(50_000, rel=0.01)


def test_what_comes_at_random_is_done_as_fast_as_it_comes() -> None:
    found = Run(site(), [Part(WEB, 0.001)]).open(300, 20)

    assert found.per_s == pytest.approx(300, rel=0.05)
    assert found.p99_ms > found.p50_ms >= 1


def test_the_page_has_the_tables_of_what_was_measured() -> None:
    assert PAGE.read_text() == with_tables(PAGE.read_text())
