"""A process that checks values against schemas, and is ended where that takes too long.

The validator lets no other thread run while it works, and a value can be made that takes it years.
So what may be costly is checked in here: the system ends this process when it has computed for too
long, and whoever asked has what it had said by then.

Asked: a line of JSON, `{"schema": bytes, "value": bytes, "lenient": bool, "spare": [name]}`, then
as many bytes of each. Answered: of each verdict its length in bytes on a line, then the verdict;
after the last one the length 0. It ends with its input.
"""

import functools
import json
import os
import signal
import sys
from typing import BinaryIO

from bridge.formats.json_text import decode
from bridge.schemas.checks import examine
from bridge.schemas.compile import Compiled, compile_schema
from bridge.schemas.pool import CHECK_S, CheckOptions, spell_verdict

FAULTS_S = 1.0
"""How long it may then go on to say what is wrong."""

SCHEMAS_KEPT = 100


@functools.lru_cache(SCHEMAS_KEPT)
def _compiled(schema: bytes) -> Compiled:
    return compile_schema(decode(schema))


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer what is asked until the source ends."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # the system's own end, which waits for nothing
    while line := source.readline():
        asked = json.loads(line)
        compiled = _compiled(source.read(asked["schema"]))
        value = decode(source.read(asked["value"]))
        signal.setitimer(signal.ITIMER_PROF, CHECK_S)
        for verdict in examine(
            compiled, value, CheckOptions(asked["lenient"], tuple(asked["spare"]))
        ):
            signal.setitimer(signal.ITIMER_PROF, FAULTS_S)
            _tell(sink, spell_verdict(verdict, value))
        signal.setitimer(signal.ITIMER_PROF, 0)
        _tell(sink, b"")


def _tell(sink: BinaryIO, verdict: bytes) -> None:
    sink.write(b"%d\n%b" % (len(verdict), verdict))
    sink.flush()


if __name__ == "__main__":  # pragma: no cover - it is killed when nobody needs it more
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(0)  # whoever asked is gone, and nobody else is to hear of it
