"""Logging: lines on stderr, one wide line for each unit of work, for programs or for people.

The message of a line is a constant dotted name (`hook.received`); everything else is a field, given
as `extra`. stdout stays free for what commands print and for the MCP wire of `stdio`.

The audit is a line for every act: who did what to which, and how it ended. No line of it holds a
payload, a secret or a token; ids and names only. All are of the logger `audit`, so that they can be
kept apart from the others, and longer.
"""

import contextlib
import itertools
import json
import logging
import logging.handlers
import os
import queue
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

import click
from typing_extensions import override

ENCODE = json.JSONEncoder(default=str).encode
OURS = ("bridge", "workers")
LINES_MAX = 1000
"""How many lines wait to be written beside the work."""

Form = Literal["console", "json"]

OWN_FIELDS = len(vars(logging.makeLogRecord({})))
"""Those that a record is made with: what it was given as `extra` stands behind them."""
STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


_WORD = re.compile(r"[^\s\"'=]+")


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
        line |= fields_of(record)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return ENCODE(line)


class ConsoleLines(logging.Formatter):
    """Formats a record for a person at a terminal: time of day, level, event, `name=value`s.

    A library's record, and an act of the audit, has its logger before it.

    Nothing that is logged can steer the terminal: what is not printable is written as an escape. A
    traceback follows on lines of its own.
    """

    def __init__(self, *, has_colors: bool = False) -> None:
        super().__init__()
        self._has_colors = has_colors

    @override
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone()
        level = f"{record.levelname.lower():7}"
        if self._has_colors:
            level = click.style(level, fg=_color(record.levelno))
        fields = fields_of(record)
        who = f"{logger}: " if (logger := fields.pop("logger", "")) else ""
        values = (f"{name}={plain(value)}" for name, value in fields.items())
        line = "  ".join((f"{at:%H:%M:%S} {level} {who}{printable(record.getMessage())}", *values))
        if record.exc_info:
            traceback = self.formatException(record.exc_info).splitlines()
            line = "\n".join((line, *(f"    {printable(row)}" for row in traceback)))
        return line


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return what a record was given as `extra`, and of a library's record its logger."""
    extras = itertools.islice(vars(record).items(), OWN_FIELDS, None)
    fields = {name: value for name, value in extras if name not in STANDARD_FIELDS}
    if record.name.partition(".")[0] not in OURS:
        fields["logger"] = record.name
    return fields


def plain(value: object) -> str:
    """Write a value on one line, in quotes where its end would not be seen without."""
    if value is None or isinstance(value, bool | int | float | list | tuple | dict):
        return ENCODE(value)
    text = str(value)
    if _WORD.fullmatch(text) and text.isprintable():
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def printable(text: str) -> str:
    """Return a text with an escape for each character that a terminal might obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _color(level: int) -> str:
    if level >= logging.ERROR:
        return "red"
    return "yellow" if level >= logging.WARNING else "green"


class ThreadedHandler(logging.handlers.QueueHandler):
    """Hands lines to a thread that writes them, and drops those that find no room."""

    @override
    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)

    @override
    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # it goes to a thread, not to another process


class HeldLines(logging.Handler):
    """Holds lines back while a block starts something: a start that fails says why by itself.

    They are written at `write_out`, and at the block's end unless `told`, an error that says it
    all, ends it.
    """

    def __init__(self, told: type[Exception]) -> None:
        super().__init__()
        self._told = told
        self._root = logging.getLogger()
        self._lines: list[logging.LogRecord] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if len(self._lines) < LINES_MAX:
            self._lines.append(record)

    def write_out(self) -> None:
        """Write what was held back, and all that comes from now on."""
        if self in self._root.handlers:
            self._root.handlers = self._handlers
        while self._lines:
            self._root.handle(self._lines.pop(0))

    def __enter__(self) -> Self:
        self._handlers, self._root.handlers = self._root.handlers, [self]
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, self._told):
            self._lines.clear()
        self.write_out()


def log_beside() -> None:
    """Log in a thread of its own from now on: a stderr that nobody reads then holds nothing up."""
    root = logging.getLogger()
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(LINES_MAX)
    logging.handlers.QueueListener(waiting, *root.handlers).start()
    root.handlers = [ThreadedHandler(waiting)]


class SaidLines(logging.Handler):
    """Hands warnings and worse to whoever shows them to people."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    @override
    def emit(self, record: logging.LogRecord) -> None:
        values = (f"{name}={plain(value)}" for name, value in fields_of(record).items())
        self._say("  ".join((record.getMessage(), *values)))


def log_into(file: Path, say: Callable[[str], None]) -> None:
    """Log into a file from now on, for the terminal is taken; what is a warning is also said."""
    into = logging.FileHandler(file)
    into.setFormatter(ConsoleLines())
    logging.getLogger().handlers = [into, SaidLines(say)]


def configure_logging(form: str = "") -> None:
    """Send our lines from INFO up, and other libraries' from WARNING up, to stderr.

    `form` is `console` or `json`; without either a terminal gets `console`, all else `json`.

    Libraries stay at WARNING because their INFO lines name whole addresses, and a reply address or
    a callback address is a secret.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(form))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    # No line tells of them, so nobody need find them out for every line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - as the logging HOWTO has it
    # RQ sets its own level as it is imported, and says when it sweeps its registries.
    logging.getLogger("rq.worker").setLevel(logging.WARNING)
    # What it warns of it raises as well, and its lines quote what was sent.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    for name in (*OURS, "audit"):
        logging.getLogger(name).setLevel(logging.INFO)


def _formatter(form: str) -> logging.Formatter:
    is_terminal = sys.stderr.isatty()
    if form == "console" or (form != "json" and is_terminal):
        return ConsoleLines(has_colors=is_terminal and not os.environ.get("NO_COLOR"))
    return JsonLines()


AUDIT = logging.getLogger("audit")

OPERATOR = "operator"
UNKNOWN = "unknown"
_LONGEST = 200


def audit(who: str, what: str, which: str, outcome: str, **measured: float) -> None:
    """Put an act on record, with what was measured of it: that is its one line.

    Args:
        who: `server/principal`, `server/hooks/hook` for a sender, `operator`, or `unknown`.
        what: the tool, the command or the route.
        which: the id of what it was done to; empty where there is none.
        outcome: `done`, or what else became of it.
        measured: numbers by their names, which end with their units.
    """
    line = {"who": who, "what": what[:_LONGEST], "which": which[:_LONGEST], "outcome": outcome}
    AUDIT.info("act", extra={**line, **measured})
