"""The bench itself works: every row comes to numbers. What they are is for a quiet machine."""

import math

import pytest

from tests.bench.__main__ import ROWS
from tests.bench.report import section
from tests.bench.scale import SHORT


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ROWS)
async def test_every_row_comes_to_numbers(name: str) -> None:
    row = await ROWS[name](SHORT)
    assert row.figures
    for figure in row.figures:
        for samples in (figure.ours, figure.theirs):
            assert samples
            assert all(math.isfinite(sample) and sample > 0 for sample in samples)
    assert len(list(section(row))) > len(row.figures)
