"""Few conversations are enough to see that each technique spares something and loses nothing."""

import pytest

from tests.tokens.counting import ENCODINGS
from tests.tokens.measuring import VARIANTS, measure
from tests.tokens.report import page


@pytest.mark.timeout(120)
async def test_every_technique_spares_tokens_and_no_fact_is_lost(redis_url: str) -> None:
    measured = await measure(redis_url, 10)
    for variant in VARIANTS[1:]:
        assert all(measured.saved(variant, encoding) > 0 for encoding in ENCODINGS)
    assert "By technique" in page(measured)
