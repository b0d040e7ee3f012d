"""Histograms by classes of time: their buckets, and what is estimated from them."""

import pytest

from bridge.store.histograms import BOUNDS, Histogram, counted_of


def test_a_bucket_holds_all_that_took_no_longer_than_it_says() -> None:
    buckets = dict(Histogram({0: 1, 3: 2, 10: 4, 21: 8}, unclassed=16).buckets())

    assert buckets["0.008"] == 3
    assert buckets["1.024"] == 7
    assert buckets["1048.576"] == 7
    assert buckets["4194.304"] == 15
    assert buckets["+Inf"] == 31


def test_there_are_as_many_buckets_for_a_histogram_without_a_time() -> None:
    assert [count for _, count in Histogram().buckets()] == [0] * (len(BOUNDS) + 1)


@pytest.mark.parametrize(
    ("share", "least_s", "most_s"), [(0.5, 0.512, 1.024), (0.99, 4.096, 8.192), (1, 8.192, 8.192)]
)
def test_a_quantile_lies_in_the_class_of_the_one_that_it_is(
    share: float, least_s: float, most_s: float
) -> None:
    times = Histogram({10: 90, 13: 10}, unclassed=1000)

    assert least_s <= (times.quantile_s(share) or 0) <= most_s


def test_of_nothing_there_is_no_quantile() -> None:
    assert Histogram(unclassed=3).quantile_s(0.5) is None


def test_a_name_that_this_version_does_not_know_is_a_total() -> None:
    assert counted_of({"later|desk|9": 2}).totals == {("later", "desk", "9"): 2}
