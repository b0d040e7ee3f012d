"""Server files as text: YAML or JSON, read so that every key and item knows its place in it."""

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.configuration.findings import Finding, Rule, at
from bridge.configuration.json_text import read_json
from bridge.configuration.places import Notes, Place, Position, UnreadableError
from bridge.configuration.rules import FILE_UNREADABLE
from bridge.configuration.yaml_text import read_yaml

__all__ = ["Document", "Place", "Position", "UnreadableError", "read_document"]


@dataclass(frozen=True)
class Document:
    """A file's value, and the position of each place in it; the empty place is the whole.

    `repeats` has the first place of what aliases repeat.
    """

    path: Path
    value: Any
    positions: Mapping[Place, Position]
    repeats: Mapping[Place, Place] = field(default_factory=dict)

    def finding(self, rule: Rule, place: Iterable[str | int], predicate: str) -> Finding:
        """Return what is wrong at the nearest place that the file has, as `key predicate`."""
        nearest = self.nearest(place)
        where = self.positions[nearest]
        # What is repeated is wrong in one place, and named as that.
        first = self.repeats.get(nearest, nearest)
        named = first if self.positions.get(first) == where else nearest
        sentence = f"{_named(named) or 'the file'} {predicate}"
        return at(rule, sentence, self.path, *where)

    def position(self, place: Iterable[str | int]) -> Position:
        """Return where `place` begins, or the nearest one that the file has."""
        return self.positions[self.nearest(place)]

    def nearest(self, place: Iterable[str | int]) -> Place:
        """Return the place that the file has, leaving out the parts of `place` that it lacks."""
        found: Place = ()
        for part in place:
            if (*found, str(part)) in self.positions:
                found = (*found, str(part))
        return found


_NAMED_PARTS = 12
_NAMED_CHARS = 120


def _named(place: Place) -> str:
    """Return a place as sentences name it: of what is deep or long, the ends."""
    parts = [part if len(part) <= _NAMED_CHARS else f"{part[:_NAMED_CHARS]}…" for part in place]
    if len(parts) > _NAMED_PARTS:
        parts = [*parts[: _NAMED_PARTS // 2], "…", *parts[-_NAMED_PARTS // 2 :]]
    return ".".join(parts)


_NOT_THERE = (
    "the file cannot be read: it is not there; start in the bridge's folder, or name another file "
    "or folder in BRIDGE_SERVERS"
)
_LINK = "the file cannot be read: it is a link to what is not there; mend the link, or remove it"


def read_document(path: Path, draft: str | None = None) -> Document:
    """Read one file, or what is to become one; what ends in `.json` is JSON, all else YAML.

    Raises:
        UnreadableError: it cannot be read, is no such text, or has a key twice.
    """
    notes = Notes(path)
    notes.text = _text_of(path) if draft is None else draft
    value = read_json(notes) if path.suffix == ".json" else read_yaml(notes)
    if notes.findings:
        raise UnreadableError(notes.findings)
    return Document(path, value, notes.positions, notes.repeats)


def _text_of(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        said = _LINK if path.is_symlink() else _NOT_THERE
        raise UnreadableError([at(FILE_UNREADABLE, said, path, 1)]) from error
    except OSError as error:
        said = f"the file cannot be read: {error.strerror}; let this user read it, or remove it"
        raise UnreadableError([at(FILE_UNREADABLE, said, path, 1)]) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        is_wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        before = _with_lf(raw[: error.start].decode("utf-8-sig"))
        where = Position(1, 1) if is_wide else Notes(path, before).position(len(before))
        which = "is in UTF-16" if is_wide else "is not in UTF-8 from here on"
        said = f"the file {which}: save it as UTF-8"
        raise UnreadableError([at(FILE_UNREADABLE, said, path, *where)]) from error
    return _with_lf(text)


def _with_lf(text: str) -> str:
    """Return a text with line feeds alone, whichever system it was written on."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
