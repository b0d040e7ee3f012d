"""The short form of the storm; `make stdio` makes a hundred thousand calls."""

from pathlib import Path

import pytest

from tests.stdio.storm import SHORT, storm


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_no_frame_is_torn_and_no_call_lost_whoever_is_killed(tmp_path: Path) -> None:
    book = await storm(tmp_path, "short", SHORT)
    assert (book.lost, book.twice, book.wrong) == ([], [], [])
    assert (book.torn, book.bad_ends) == ([], [])
    assert sum(ask.asked > 1 for ask in book.asks)
