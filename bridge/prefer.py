"""What a sender would like: `Prefer: wait=N` (RFC 7240, 4.3)."""

import re
from collections.abc import Iterable

WAIT_MAX_S = 290
"""n8n gives a request up after 300 seconds."""

_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*("?)0*([0-9]+)\1\s*(?=$|[,;])', re.IGNORECASE)


def preferred_wait_s(headers: Iterable[str]) -> int:
    """Read how long a sender would wait; 0 where it does not say, or says what nobody can read."""
    found = _WAIT.search(",".join(headers))
    if found is None:
        return 0
    return min(int(found[2]), WAIT_MAX_S) if len(found[2]) < 4 else WAIT_MAX_S
