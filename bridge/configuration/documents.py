"""YAML and JSON files, read so that every key and item still knows its line.

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
from typing import Any

import yaml

from bridge.errors import ConfigurationError
from bridge.formats.json_faults import JsonFault

Place = tuple[str, ...]

_TAG = "tag:yaml.org,2002:"
_BLANKS = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True)
class Document:
    """A file's value, and the 1-based line of each place in it; the empty place is the whole."""

    path: Path
    value: Any
    lines: Mapping[Place, int]

    def fault(self, place: Iterable[str | int], predicate: str) -> str:
        """Write `file:line: key predicate`, at the nearest place that the file has."""
        subject = ".".join(self.nearest(place)) or "the file"
        return f"{self.path}:{self.line(place)}: {subject} {predicate}"

    def line(self, place: Iterable[str | int]) -> int:
        """Return the line of `place`, or of the nearest one that the file has."""
        return self.lines[self.nearest(place)]

    def nearest(self, place: Iterable[str | int]) -> Place:
        """Return the place that the file has, leaving out the parts of `place` that it lacks."""
        found: Place = ()
        for part in place:
            if (*found, str(part)) in self.lines:
                found = (*found, str(part))
        return found


_NOT_THERE = (
    "the file cannot be read: it is not there; start in the bridge's folder, or name another file "
    "or folder in BRIDGE_SERVERS"
)


def read_document(path: Path) -> Document:
    """Read one file; a name that ends in `.json` is JSON, all else YAML.

    Raises:
        ConfigurationError: it cannot be read, is no such text, or has a key twice.
    """
    found = _Found(path)
    try:
        text = path.read_text("utf-8-sig")
        value = _JsonReader(text, found).read() if path.suffix == ".json" else _yaml(text, found)
    except FileNotFoundError as error:
        raise ConfigurationError((f"{path}:1: {_NOT_THERE}",)) from error
    except (OSError, UnicodeDecodeError) as error:
        why = "it must be UTF-8" if isinstance(error, ValueError) else error.strerror
        raise ConfigurationError((f"{path}:1: the file cannot be read: {why}",)) from error
    except json.JSONDecodeError as error:
        fault = JsonFault.of(error)
        raise ConfigurationError((found.says(fault.line, f"JSON: {fault}"),)) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigurationError((found.says(line, f"YAML: {said}"),)) from error
    except yaml.YAMLError as error:
        raise ConfigurationError((found.says(1, f"YAML: {error}"),)) from error
    except RecursionError as error:
        raise ConfigurationError((found.says(1, "text: it is nested without end"),)) from error
    if found.faults:
        raise ConfigurationError(tuple(found.faults))
    return Document(path, value, found.lines)


@dataclass
class _Found:
    path: Path
    lines: dict[Place, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def says(self, line: int, detail: str) -> str:
        return f"{self.path}:{line}: the file is not valid {detail}"

    def twice(self, place: Place, line: int) -> None:
        first = self.lines[place]
        self.faults.append(f"{self.path}:{line}: {'.'.join(place)} was given in line {first} too")

    def finite(self, value: Any, line: int) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            self.faults.append(f"{self.path}:{line}: {value} is no number that JSON can hold")
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
    found.lines[()] = 1
    return None if node is None else _value(node, (), found)


def _value(node: yaml.Node, place: Place, found: _Found) -> Any:
    line = node.start_mark.line + 1
    kind = node.tag.removeprefix(_TAG)
    if isinstance(node, yaml.MappingNode) and kind == "map":
        return _mapping(node, place, found)
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        for index, item in enumerate(node.value):
            found.lines[*place, str(index)] = item.start_mark.line + 1
        return [_value(item, (*place, str(i)), found) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and kind in ("str", "int", "float", "bool", "null"):
        return found.finite(_scalar(kind, node.value), line)
    found.faults.append(f"{found.path}:{line}: the tag {node.tag} is not allowed here")
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
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            found.faults.append(f"{found.path}:{line}: a key must be text: quote what has braces")
            continue
        name = str(key.value)
        if name in own:
            found.twice((*place, name), line)
        own.add(name)
        found.lines[*place, name] = line
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
        line = self._line(at)
        self._found.lines.setdefault(place, line)
        if self._text[at] == "{":
            return self._object(at, place)
        if self._text[at] == "[":
            return self._array(at, place)
        value, end = self._decode(self._text, at)
        return self._found.finite(value, line), end

    def _object(self, at: int, place: Place) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        at = self._skip(at + 1)
        while self._text[at] != "}":
            name, colon = self._decode(self._text, at)
            if name in members:
                self._found.twice((*place, name), self._line(at))
            self._found.lines[*place, name] = self._line(at)
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

    def _line(self, at: int) -> int:
        return self._text.count("\n", 0, at) + 1
