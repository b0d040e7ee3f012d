"""YAML files, read so that every key and item knows its place in the text.

On purpose:

1. YAML is read as its 1.2 edition means it, and as JSON can hold it: only `true`, `false`, `null`
   and JSON numbers are more than text. So `on`, `12:30` and `2026-01-01` stay what they look like.
2. Every key is text, as in JSON.
3. A key given twice is a fault, not a silent choice.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from bridge.configuration.places import FIRST, TOO_DEEP, Notes, Place, Position, read_number
from bridge.configuration.yaml_wording import said_of

_TAG = "tag:yaml.org,2002:"
_CORE = ("str", "int", "float", "bool", "null")

REPEATED_MAX = 50_000
"""So many values may come of aliases: aliases of aliases make millions of a few lines."""


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


def read_yaml(notes: Notes) -> Any:
    """Read the text of some notes, and note every place in it.

    Raises:
        UnreadableError: it is no YAML, or none that JSON can hold.
    """
    notes.positions[()] = FIRST
    node = _composed(notes)
    return None if node is None else _YamlReader(notes).value(node, ())


def _composed(notes: Notes) -> yaml.Node | None:
    try:
        loader = _Loader(notes.text)
    except yaml.reader.ReaderError as error:
        said = f"holds U+{error.character:04X} here, a control character: drop it"
        notes.invalid(notes.position(error.position), said)
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark, said = said_of(error)
        where = notes.position(mark.index) if mark else FIRST
        notes.invalid(where, f"is not valid YAML: {said}")
    except RecursionError:
        notes.invalid(notes.position(loader.get_mark().index), TOO_DEEP)
    finally:
        loader.dispose()


@dataclass
class _YamlReader:
    """Makes values of nodes, and notes their places."""

    notes: Notes
    seen: dict[yaml.Node, Place] = field(default_factory=dict)
    around: set[yaml.Node] = field(default_factory=set)
    repeated: int = 0

    def value(self, node: yaml.Node, place: Place) -> Any:
        """Return the value of a node; of one that has none, what is wrong is noted."""
        self._count(node, place)
        where = self._position(node)
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.ScalarNode) and kind in _CORE:
            return self._scalar(kind, node.value, where)
        if isinstance(node, yaml.CollectionNode) and kind in ("map", "seq"):
            return self._collection(node, place, where)
        said = f"the tag {_shown(node.tag)} means nothing here: drop it, or quote a text with !"
        self.notes.wrong(where, said)
        return None

    def _scalar(self, kind: str, text: str, where: Position) -> Any:
        if kind == "str":
            return self.notes.whole(text, where)
        if kind == "null":
            return None
        try:
            value = json.loads(text.lower(), parse_int=read_number)
        except ValueError:
            said = f"the tag !!{kind} must stand before what JSON takes for one: drop it"
            self.notes.wrong(where, said)
            return None
        return self.notes.number(value, where)

    def _collection(self, node: yaml.CollectionNode, place: Place, where: Position) -> Any:
        if node in self.around:
            said = "repeats, by an alias (*), what it stands in, without end: write it out"
            self.notes.invalid(self.notes.positions.get(place, where), said)
        self.notes.nest(place, where)
        self.around.add(node)
        try:
            return self._members(node, place)
        finally:
            self.around.discard(node)

    def _members(self, node: yaml.CollectionNode, place: Place) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        places = [(*place, str(index)) for index in range(len(node.value))]
        self.notes.positions |= {
            each: self._position(item) for each, item in zip(places, node.value, strict=True)
        }
        return [self.value(item, each) for each, item in zip(places, node.value, strict=True)]

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        members: dict[str, Any] = {}
        own: set[str] = set()
        for key, value in sorted(node.value, key=lambda member: not _merges(member[0])):
            if _merges(key):
                for source in self._sources(value):
                    members.update(self.value(source, place))
                continue
            where = self._position(key)
            if not isinstance(key, yaml.ScalarNode):
                self.notes.wrong(where, "a key must be text: quote what has braces or brackets")
                continue
            name = self.notes.whole(str(key.value), where)
            self.notes.key((*place, name), where, is_there=name in own)
            own.add(name)
            members[name] = self.value(value, (*place, name))
        return members

    def _sources(self, value: yaml.Node) -> Iterator[yaml.Node]:
        """Return what is merged into a mapping; it comes first, so that the mapping's keys win.

        Of several sources the first wins.

        Source: https://yaml.org/type/merge.html
        """
        for source in reversed(value.value if isinstance(value, yaml.SequenceNode) else [value]):
            if isinstance(source, yaml.MappingNode):
                yield source
            else:
                said = "<< takes in mappings alone: write an alias of one, as in <<: *base"
                self.notes.wrong(self._position(source), said)

    def _position(self, node: yaml.Node) -> Position:
        return self.notes.position(node.start_mark.index)

    def _count(self, node: yaml.Node, place: Place) -> None:
        first = self.seen.setdefault(node, place)
        if first != place:
            self.repeated += 1
            self.notes.repeats[place] = first
        if self.repeated > REPEATED_MAX:
            said = f"repeats more than {REPEATED_MAX:,} values by aliases (*): repeat fewer"
            self.notes.invalid(self._position(node), said)


def _merges(key: yaml.Node) -> bool:
    return bool(key.tag == f"{_TAG}merge")


def _shown(tag: str) -> str:
    return tag.replace(_TAG, "!!", 1)
