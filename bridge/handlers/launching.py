"""How a process with handlers is launched: its command, and its whole environment."""

import sys
from collections.abc import Mapping
from pathlib import Path

PASSED_ON = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV"})
PREFIXES = ("LC_", "SSL_CERT_")


def command(*arguments: str) -> tuple[str, ...]:
    """Return the command that runs `bridge.handlers.program` with the code of this very bridge."""
    root = str(Path(__file__).parents[2])
    code = (
        f"import sys; {root!r} in sys.path or sys.path.insert(0, {root!r}); "
        "from bridge.handlers.program import main; main(sys.argv[1:])"
    )
    # -P keeps the folder it is started in off sys.path; -u has what is printed come at once; -B,
    # for bytecode is taken for that of any source of the same size and second: changes were missed.
    return (sys.executable, "-P", "-u", "-B", "-c", code, *arguments)


def environment_of(environ: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return all that handlers see of variables: what any program needs, and what they are given.

    Nothing of it is the bridge's own.
    """
    passed_on = {
        name: value
        for name, value in environ.items()
        if name in PASSED_ON or name.startswith(PREFIXES)
    }
    return passed_on | dict(given)
