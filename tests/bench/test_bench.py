"""The bench itself works: rows come to numbers. What they are is for a quiet machine."""

import math

import pytest

from tests.bench.__main__ import ROWS
from tests.bench.report import PAGE, README, page, section, with_numbers
from tests.bench.results import read_results
from tests.bench.scale import SHORT

SHORT_ROWS = ("ingest", "call", "idle", "takers", "primary")
"""One of each kind; the others begin with an installation or take longer."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", SHORT_ROWS)
async def test_every_row_comes_to_numbers(name: str) -> None:
    row = await ROWS[name](SHORT)
    assert row.figures
    for figure in row.figures:
        for sample in (*figure.ours, *figure.theirs):
            assert math.isfinite(sample)
            assert sample >= 0
    assert len(list(section(row))) > len(row.figures)


def test_the_page_says_what_was_measured_and_the_readme_no_more() -> None:
    results = {name: each for name in ROWS if (each := read_results().get(name))}

    assert PAGE.read_text() == page(results)
    assert README.read_text() == with_numbers(README.read_text(), results)
