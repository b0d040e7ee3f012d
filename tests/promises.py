"""What the bridge promises to n8n and to Claude, each with the tests that prove it.

Look here first for the tests of a behaviour. The sections are those of the bridge's public face.
"""

from collections.abc import Mapping

from tests.promised import claude, hooks, long_calls, n8n, tools, waking
from tests.promised.promise import Promise

PROMISES: Mapping[str, tuple[Promise, ...]] = {
    "4 HTTP: n8n to the bridge": hooks.PROMISES,
    "5 HTTP: Claude to the bridge": claude.PROMISES,
    "6 Tools": tools.PROMISES,
    "7 Long calls": long_calls.PROMISES,
    "8 n8n's answers": n8n.PROMISES,
    "9 Waking Claude": waking.PROMISES,
}
