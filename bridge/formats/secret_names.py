"""Names by which headers and parameters of addresses carry secrets."""

import re

_WITHIN = (
    "authorization",
    "cookie",
    "signature",
    "hmac",
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
)
_WHOLE = frozenset({"key", "sig", "jwt", "pwd", "pass", "auth", "bearer"})


def names_a_secret(name: str) -> bool:
    """Report whether what a header or parameter of that name holds is surely nobody else's."""
    parts = re.findall(r"[a-z0-9]+", name.lower())
    joined = "".join(parts)
    is_whole = joined in _WHOLE or any(part in _WHOLE - {"key", "auth"} for part in parts)
    return is_whole or any(word in joined for word in _WITHIN)
