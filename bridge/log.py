"""Logging: JSON lines on stderr, one wide line for each unit of work.

The message of a line is a constant dotted name (`hook.received`); everything else is a field, given
as `extra`. stdout stays free for what commands print and for the MCP wire of `stdio`.
"""

import contextlib
import json
import logging
import logging.handlers
import queue
import sys
from datetime import UTC, datetime

from typing_extensions import override

ENCODE = json.JSONEncoder(default=str).encode
OURS = ("bridge", "workers")
LINES_MAX = 1000
"""How many lines wait to be written beside the work."""

STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON: `at`, `level`, `message`, then the record's extras.

    A value that JSON has no form for is written as its `str`, so a `SecretStr` stays masked.
    """

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        extras = {
            name: value for name, value in vars(record).items() if name not in STANDARD_FIELDS
        }
        line |= extras
        if record.name.partition(".")[0] not in OURS:
            line["logger"] = record.name
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return ENCODE(line)


class Beside(logging.handlers.QueueHandler):
    """Hands lines to a thread that writes them, and drops those that find no room."""

    @override
    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)

    @override
    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # it goes to a thread, not to another process


def log_beside() -> None:
    """Log in a thread of its own from now on: a stderr that nobody reads then holds nothing up."""
    root = logging.getLogger()
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(LINES_MAX)
    logging.handlers.QueueListener(waiting, *root.handlers).start()
    root.handlers = [Beside(waiting)]


def configure_logging() -> None:
    """Send our lines from INFO up, and other libraries' from WARNING up, to stderr.

    Libraries stay at WARNING because their INFO lines name whole addresses, and a reply address or
    a callback address is a secret.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    # No line tells of them, so nobody need find them out for every line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # RQ sets its own level as it is imported, and says when it sweeps its registries.
    logging.getLogger("rq.worker").setLevel(logging.WARNING)
    # What it warns of it raises as well, and its lines quote what was sent.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    for name in (*OURS, "audit"):
        logging.getLogger(name).setLevel(logging.INFO)
