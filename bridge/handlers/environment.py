"""The environment that handlers see: what a program needs at all, and what the file gives it."""

from collections.abc import Mapping

PASSED_ON = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV"})
PREFIXES = ("LC_", "SSL_CERT_")


def environment_of(environ: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a process of handlers; nothing of it is the bridge's own."""
    passed_on = {
        name: value
        for name, value in environ.items()
        if name in PASSED_ON or name.startswith(PREFIXES)
    }
    return passed_on | dict(given)
