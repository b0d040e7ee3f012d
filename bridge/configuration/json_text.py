"""JSON files, read so that every member and item knows its place in the text."""

import json
import re
from typing import Any

from bridge.configuration.places import NESTED_MAX, TOO_DEEP, Notes, Place, Position, read_number
from bridge.formats.json_faults import JsonFault

_BLANKS = re.compile(r"[ \t\r\n]*")
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_COMMENTS = ("//", "/*", "#")


def read_json(notes: Notes) -> Any:
    """Read the text of some notes, and note every place in it.

    Raises:
        UnreadableError: it is no JSON.
    """
    _demand_shallow(notes)
    try:
        json.loads(notes.text, parse_int=read_number)
    except json.JSONDecodeError as error:
        fault = JsonFault.of(error)
        is_comment = notes.text.startswith(_COMMENTS, error.pos)
        mend = "JSON has no comments: drop it, or make a .yaml of the file"
        said = mend if is_comment else fault.what or "something else is expected here"
        notes.invalid(Position(fault.line, fault.column), f"is not valid JSON: {said}")
    return _JsonReader(notes).read()


def _demand_shallow(notes: Notes) -> None:
    """Refuse what is nested too deeply before anything that calls itself reads it."""
    depth = 0
    for token in _TOKENS.finditer(notes.text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > NESTED_MAX:
            notes.invalid(notes.position(token.start()), TOO_DEEP)


class _JsonReader:
    """Steps through a text that is known to be JSON, noting where each member stands."""

    def __init__(self, notes: Notes) -> None:
        self._text = notes.text
        self._notes = notes
        self._decode = json.JSONDecoder(parse_int=read_number).raw_decode

    def read(self) -> Any:
        return self._value(self._skip(0), ())[0]

    def _value(self, at: int, place: Place) -> tuple[Any, int]:
        where = self._notes.position(at)
        self._notes.positions.setdefault(place, where)
        if self._text[at] == "{":
            return self._object(at, place)
        if self._text[at] == "[":
            return self._array(at, place)
        value, end = self._decode(self._text, at)
        if isinstance(value, str):
            return self._notes.whole(value, where), end
        return self._notes.number(value, where), end

    def _object(self, at: int, place: Place) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        at = self._skip(at + 1)
        while self._text[at] != "}":
            read, colon = self._decode(self._text, at)
            where = self._notes.position(at)
            name = self._notes.whole(read, where)
            self._notes.key((*place, name), where, is_there=name in members)
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
