"""The file of a backup: lines of JSON, compressed by gzip, with a checksum at their end.

The first line says what it is, the last how many records there are and the SHA-256 of all lines
before. In between each line is a record: its keys with what they hold and when they expire, and
the moments that belong to it. Bytes are written as texts with a character for each, so that they
come back as they were, whatever they are.
"""

import contextlib
import gzip
import hashlib
import itertools
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, BinaryIO, Literal

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from bridge.errors import PermanentError

FORMAT = 1
NAME = "n8n-claude-bridge"
NO_BACKUP = "it is no backup of the bridge, or damaged at its beginning"
DAMAGED = "it is damaged: its checksum is another, or it holds what no backup does"
_WRONG = (
    *(gzip.BadGzipFile, zlib.error, ValueError, TypeError, LookupError, AttributeError),
    RecursionError,  # it is nested too deeply
)
"""What reading a file raises that is none of ours."""

LINE_BYTES_MAX = 1 << 29
"""No record is longer: a body has 16 MiB as sent, and each byte at most six characters here."""

BETWEEN_BYTES_MAX = 1 << 20
"""So much stands at most between the texts of a line: each bracket there takes a hundred bytes."""

# One that does not end reaches to the end: to look for others within would take for ever.
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)

WHOLE_MAX = 1 << 53
"""Whole numbers are below: Redis's scores and Lua's numbers are floats."""

Whole = Annotated[int, Field(ge=0, lt=WHOLE_MAX)]
Moment = Annotated[float, Field(ge=0, lt=WHOLE_MAX, allow_inf_nan=False)]
Kind = Literal["string", "hash", "list", "set", "zset"]


class BackupError(PermanentError):
    """Why a file is no backup that can be restored, or none can be written, in a sentence."""


@dataclass(frozen=True)
class KeptKey:
    """A key without the bridge's prefix, what it holds, and when it expires (0: never)."""

    name: str
    kind: str
    expires_at_ms: int
    value: list[bytes]

    @property
    def fields(self) -> dict[bytes, bytes]:
        """The fields of a hash."""
        return dict(zip(self.value[::2], self.value[1::2], strict=True))


@dataclass(frozen=True)
class KeptRecord:
    """A record: its keys, the first of which names it, and the moments that belong to it."""

    family: str
    keys: tuple[KeptKey, ...]
    moments: dict[str, float]


@dataclass(frozen=True)
class Heading:
    """What the first line says; `was_running` is whether processes lived as the backup began."""

    version: str
    layout: Annotated[int, Field(ge=1)]
    name: Annotated[str, Field(min_length=1)]
    made_at_ms: Whole
    was_running: bool


@dataclass(frozen=True)
class Ending:
    """What the last line says."""

    counts: Counter[str]
    order: Whole
    was_running: bool


class _RecordLine(TypedDict):
    family: str
    keys: Annotated[
        list[tuple[str, Kind, Whole, Annotated[list[str], Field(min_length=1)]]],
        Field(min_length=1),
    ]
    moments: dict[str, Moment]


class _EndLine(TypedDict):
    end: Ending
    sha256: str


_HEADING, _RECORD, _END = TypeAdapter(Heading), TypeAdapter(_RecordLine), TypeAdapter(_EndLine)
_BEGIN_OF_END = b'{"end":'


class BackupWriter:
    """Writes a backup into a file that is open for bytes."""

    def __init__(self, file: BinaryIO, heading: Heading) -> None:
        # The moment would make two backups of the same records two different files.
        self._zipped = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=3, mtime=0)
        self._digest = hashlib.sha256()
        self.counts = Counter[str]()
        told = heading.__dict__ | {"backup": NAME, "format": FORMAT}
        self._write(told)

    def add(self, record: KeptRecord) -> None:
        """Write one record.

        Raises:
            BackupError: it is longer than what is read again.
        """
        self.counts[record.family] += 1
        keys = [[k.name, k.kind, k.expires_at_ms, _texts(k.value)] for k in record.keys]
        self._write({"family": record.family, "keys": keys, "moments": record.moments})

    def end(self, order: int, *, was_running: bool) -> None:
        """Write the last line."""
        told = {"counts": self.counts, "order": order, "was_running": was_running}
        self._write({"end": told, "sha256": self._digest.hexdigest()})
        self._zipped.close()

    def _write(self, value: object) -> None:
        line = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        if not _is_readable(line):
            raise BackupError(f"{line[:100].decode(errors='replace')}… is too long for a backup")
        self._digest.update(line)
        self._zipped.write(line)


class BackupReader:
    """Reads a backup from a file; what it holds is sound only if it came to `ending`."""

    def __init__(self, file: BinaryIO, newest_layout: int) -> None:
        """Read what the file says of itself.

        Raises:
            BackupError: it is no backup, or one of a later version.
        """
        self._zipped = gzip.GzipFile(fileobj=file, mode="rb")
        self._digest = hashlib.sha256()
        self.ending: Ending | None = None
        with _naming_faults(NO_BACKUP):
            line = self._line()
            told = json.loads(line)
            if told["backup"] != NAME:
                raise BackupError(NO_BACKUP)
            if told["format"] > FORMAT or told["layout"] > newest_layout:
                raise BackupError(
                    f"version {told['version']} of the bridge made it, and this version reads no "
                    "such file: restore it with that version or a later one"
                )
            self.heading = _HEADING.validate_json(line, strict=True)

    def records(self) -> Iterator[KeptRecord]:
        """Read every record, up to the end.

        Raises:
            BackupError: the file is cut short or damaged.
        """
        counts = Counter[str]()
        with _naming_faults(DAMAGED):
            while True:
                before = self._digest.hexdigest()
                line = self._line()
                if line.startswith(_BEGIN_OF_END):
                    break
                record = _record(_RECORD.validate_json(line, strict=True))
                counts[record.family] += 1
                yield record
            told = _END.validate_json(line, strict=True)
            if self._zipped.read(1) or told["sha256"] != before or told["end"].counts != counts:
                raise BackupError(DAMAGED)
            self.ending = told["end"]

    def _line(self) -> bytes:
        line = self._zipped.readline(LINE_BYTES_MAX)
        if not line.endswith(b"\n"):
            raise EOFError
        if not _is_readable(line):
            raise ValueError
        self._digest.update(line)
        return line


@contextlib.contextmanager
def _naming_faults(fault: str) -> Iterator[None]:
    """Report in a sentence what is wrong with a file that the block reads."""
    try:
        yield
    except EOFError:
        raise BackupError("it is cut short: what made it or copied it did not end") from None
    except _WRONG:
        raise BackupError(fault) from None


def _is_readable(line: bytes) -> bool:
    """Report whether a line takes no more memory to be read than a few times what it has."""
    between_bytes = len(line)
    if BETWEEN_BYTES_MAX < between_bytes <= LINE_BYTES_MAX:
        for text in itertools.islice(_TEXT.finditer(line), BETWEEN_BYTES_MAX):
            between_bytes -= text.end() - text.start()
    return len(line) <= LINE_BYTES_MAX and between_bytes <= BETWEEN_BYTES_MAX


def _texts(value: list[bytes]) -> list[str]:
    return [each.decode("latin-1") for each in value]


def _record(told: _RecordLine) -> KeptRecord:
    keys = tuple(
        KeptKey(name, kind, expires_at_ms, [each.encode("latin-1") for each in value])
        for name, kind, expires_at_ms, value in told["keys"]
    )
    return KeptRecord(told["family"], keys, told["moments"])
