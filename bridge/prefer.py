"""What a sender would like: `Prefer: wait=N` (RFC 7240, 4.3)."""

import re
from collections.abc import Iterable

WAIT_MAX_S = 290
"""n8n gives a request up after 300 seconds."""

_PREFERENCE = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+')
_WAIT = re.compile(r'\s*wait\s*=\s*("?)0*([0-9]+)\1\s*(?:;|$)', re.IGNORECASE)


def preferred_wait_s(headers: Iterable[str]) -> int:
    """Read how long a sender would wait; 0 where it does not say, or says what nobody can read.

    Of several such preferences the first counts.
    """
    for preference in _PREFERENCE.findall(",".join(headers)):
        if found := _WAIT.match(preference):
            return min(int(found[2]), WAIT_MAX_S) if len(found[2]) < 4 else WAIT_MAX_S
    return 0
