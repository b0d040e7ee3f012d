"""YAML and JSON files, read so that every key and item still knows its place in the text.

On purpose:

1. YAML is read as its 1.2 edition means it, and as JSON can hold it: only `true`, `false`, `null`
   and JSON numbers are more than text. So `on`, `12:30` and `2026-01-01` stay what they look like.
2. Every key is text, as in JSON.
3. A key given twice is a fault, not a silent choice.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bridge.configuration.findings import Finding, Rule, at
from bridge.configuration.rules import FILE_SYNTAX, FILE_UNREADABLE, KEY_TWICE
from bridge.errors import ConfigurationError
from bridge.formats.json_faults import JsonFault

Place = tuple[str, ...]

_TAG = "tag:yaml.org,2002:"

REPEATED_MAX = 50_000
"""So many values may come of aliases: aliases of aliases make millions of a few lines."""
_BLANKS = re.compile(r"[ \t\r\n]*")


class Position(NamedTuple):
    """Where a key or an item begins, counted from 1, in characters."""

    line: int
    column: int


class UnreadableError(ConfigurationError):
    """A file is no document; every fault is named at once."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(tuple(map(str, self.findings)))


@dataclass(frozen=True)
class Document:
    """A file's value, and the position of each place in it; the empty place is the whole."""

    path: Path
    value: Any
    positions: Mapping[Place, Position]

    def finding(self, rule: Rule, place: Iterable[str | int], predicate: str) -> Finding:
        """Return what is wrong at the nearest place that the file has, as `key predicate`."""
        nearest = self.nearest(place)
        sentence = f"{'.'.join(nearest) or 'the file'} {predicate}"
        return at(rule, sentence, self.path, *self.positions[nearest])

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


_NOT_THERE = (
    "the file cannot be read: it is not there; start in the bridge's folder, or name another file "
    "or folder in BRIDGE_SERVERS"
)


def read_document(path: Path, draft: str | None = None) -> Document:
    """Read one file, or what is to become one; what ends in `.json` is JSON, all else YAML.

    Raises:
        ConfigurationError: it cannot be read, is no such text, or has a key twice.
    """
    found = _Found(path)
    try:
        text = path.read_text("utf-8-sig") if draft is None else draft
        value = _JsonReader(text, found).read() if path.suffix == ".json" else _yaml(text, found)
    except FileNotFoundError as error:
        raise UnreadableError([at(FILE_UNREADABLE, _NOT_THERE, path, 1)]) from error
    except (OSError, UnicodeDecodeError) as error:
        why = "it must be UTF-8" if isinstance(error, ValueError) else error.strerror
        said = f"the file cannot be read: {why}"
        raise UnreadableError([at(FILE_UNREADABLE, said, path, 1)]) from error
    except json.JSONDecodeError as error:
        fault = JsonFault.of(error)
        where = Position(fault.line, fault.column)
        raise UnreadableError([found.invalid(where, f"JSON: {fault}")]) from error
    except yaml.MarkedYAMLError as error:
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise UnreadableError([found.invalid(_at_mark(error), f"YAML: {said}")]) from error
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise UnreadableError([found.invalid(FIRST, f"YAML: {said}")]) from error
    except RecursionError as error:
        said = "text: it is nested without end"
        raise UnreadableError([found.invalid(FIRST, said)]) from error
    if found.findings:
        raise UnreadableError(found.findings)
    return Document(path, value, found.positions)


FIRST = Position(1, 1)


def _at_mark(error: yaml.MarkedYAMLError) -> Position:
    return _position(error.problem_mark) if error.problem_mark else FIRST


def _position(mark: yaml.Mark) -> Position:
    return Position(mark.line + 1, mark.column + 1)


@dataclass
class _Found:
    path: Path
    positions: dict[Place, Position] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    seen: set[yaml.Node] = field(default_factory=set)
    repeated: int = 0

    def invalid(self, where: Position, detail: str) -> Finding:
        return at(FILE_SYNTAX, f"the file is not valid {detail}", self.path, *where)

    def wrong(self, where: Position, sentence: str, rule: Rule = FILE_SYNTAX) -> None:
        self.findings.append(at(rule, sentence, self.path, *where))

    def twice(self, place: Place, where: Position) -> None:
        first = self.positions[place].line
        self.wrong(where, f"{'.'.join(place)} was given in line {first} too", KEY_TWICE)

    def count(self, node: yaml.Node) -> None:
        self.repeated += node in self.seen
        self.seen.add(node)
        if self.repeated > REPEATED_MAX:
            said = f"aliases (*) repeat more than {REPEATED_MAX:,} values: repeat fewer"
            raise UnreadableError([at(FILE_SYNTAX, said, self.path, *_position(node.start_mark))])

    def finite(self, value: Any, where: Position) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            self.wrong(where, f"{value} is no number that JSON can hold")
        return value


class _Loader(yaml.SafeLoader):
    """Finds nodes and their tags; nothing is ever constructed with it."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("merge", r"^<<$", "<"),
    ("null", r"^(?:~|null|Null|NULL)?$", "~nN"),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", "-0123456789"),
    ("float", r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$", "-0123456789"),
):
    _Loader.add_implicit_resolver(_TAG + _tag, re.compile(_pattern), [*_first, ""])


def _yaml(text: str, found: _Found) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    finally:
        loader.dispose()
    found.positions[()] = FIRST
    return None if node is None else _value(node, (), found)


def _value(node: yaml.Node, place: Place, found: _Found) -> Any:
    found.count(node)
    where = _position(node.start_mark)
    kind = node.tag.removeprefix(_TAG)
    if isinstance(node, yaml.MappingNode) and kind == "map":
        return _mapping(node, place, found)
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        for index, item in enumerate(node.value):
            found.positions[*place, str(index)] = _position(item.start_mark)
        return [_value(item, (*place, str(i)), found) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and kind in ("str", "int", "float", "bool", "null"):
        return found.finite(_scalar(kind, node.value), where)
    found.wrong(where, f"the tag {node.tag} is not allowed here")
    return None


def _scalar(kind: str, text: str) -> Any:
    if kind == "str":
        return text
    return None if kind == "null" else json.loads(text.lower())


def _mapping(node: yaml.MappingNode, place: Place, found: _Found) -> dict[str, Any]:
    members: dict[str, Any] = {}
    own: set[str] = set()
    for key, value in sorted(node.value, key=lambda member: member[0].tag != _TAG + "merge"):
        if key.tag == _TAG + "merge":
            # What is merged in comes first, so that the mapping's own keys win; of several sources
            # the first wins. https://yaml.org/type/merge.html
            sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for source in reversed(sources):
                members.update(_value(source, place, found) or {})
            continue
        where = _position(key.start_mark)
        if not isinstance(key, yaml.ScalarNode):
            found.wrong(where, "a key must be text: quote what has braces")
            continue
        name = str(key.value)
        if name in own:
            found.twice((*place, name), where)
        own.add(name)
        found.positions[*place, name] = where
        members[name] = _value(value, (*place, name), found)
    return members


class _JsonReader:
    """Steps through a text that is known to be JSON, noting where each member stands."""

    def __init__(self, text: str, found: _Found) -> None:
        self._text = text
        self._found = found
        self._decode = json.JSONDecoder().raw_decode

    def read(self) -> Any:
        json.loads(self._text)
        return self._value(self._skip(0), ())[0]

    def _value(self, at: int, place: Place) -> tuple[Any, int]:
        where = self._position(at)
        self._found.positions.setdefault(place, where)
        if self._text[at] == "{":
            return self._object(at, place)
        if self._text[at] == "[":
            return self._array(at, place)
        value, end = self._decode(self._text, at)
        return self._found.finite(value, where), end

    def _object(self, at: int, place: Place) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        at = self._skip(at + 1)
        while self._text[at] != "}":
            name, colon = self._decode(self._text, at)
            if name in members:
                self._found.twice((*place, name), self._position(at))
            self._found.positions[*place, name] = self._position(at)
            members[name], at = self._value(self._skip(self._skip(colon) + 1), (*place, name))
            at = self._next(at)
        return members, at + 1

    def _array(self, at: int, place: Place) -> tuple[list[Any], int]:
        items: list[Any] = []
        at = self._skip(at + 1)
        while self._text[at] != "]":
            item, at = self._value(at, (*place, str(len(items))))
            items.append(item)
            at = self._next(at)
        return items, at + 1

    def _next(self, at: int) -> int:
        at = self._skip(at)
        return self._skip(at + 1) if self._text[at] == "," else at

    def _skip(self, at: int) -> int:
        blanks = _BLANKS.match(self._text, at)
        return blanks.end() if blanks else at

    def _position(self, at: int) -> Position:
        before = self._text.rfind("\n", 0, at)
        return Position(self._text.count("\n", 0, at) + 1, at - before)
