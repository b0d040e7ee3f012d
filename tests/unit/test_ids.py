"""What is minted: nobody guesses it, and it fits into an address as it is."""

import re
from collections.abc import Callable

import pytest

from bridge.models import new_call_id, new_event_id, new_lease_token

LETTER_BITS = 6


@pytest.mark.parametrize(
    ("mint", "prefix", "bits"),
    [(new_event_id, "evt_", 128), (new_call_id, "call_", 128), (new_lease_token, "", 64)],
)
def test_what_is_minted_is_random_and_safe_in_addresses(
    mint: Callable[[], str], prefix: str, bits: int
) -> None:
    minted = {mint() for _ in range(1000)}
    assert len(minted) == 1000
    for each in minted:
        random = re.fullmatch(rf"{prefix}([A-Za-z0-9_-]+)", each)
        assert random
        assert len(random[1]) * LETTER_BITS >= bits
