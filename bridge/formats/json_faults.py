"""What keeps a text from being JSON, in words of ours."""

import json
from dataclasses import dataclass
from typing import Self

from typing_extensions import override

_FAULTS = {
    "Expecting value": "a value is expected",
    "Expecting property name": "a key in double quotes is expected",
    "Expecting ':'": "a colon is expected",
    "Expecting ','": "a comma or the closing bracket is expected",
    "Illegal trailing comma": "a comma before the closing bracket",
    "Unterminated string": "a string without an end",
    "Invalid control character": "an unescaped control character",
    "Invalid \\escape": "an unknown escape",
    "Invalid \\u": "an escape without four hex digits",
    "Extra data": "more text after the value",
}
"""How the messages of `json` begin, which differ by version of Python, and what is said instead."""


@dataclass(frozen=True)
class JsonFault:
    """What keeps a text from being JSON, and where; the same in every version of Python."""

    what: str
    position: int
    line: int
    column: int

    @classmethod
    def of(cls, error: json.JSONDecodeError) -> Self:
        """Return the fault that an error of `json` names; of an unknown kind, only its place."""
        what = next((ours for theirs, ours in _FAULTS.items() if error.msg.startswith(theirs)), "")
        position = error.pos
        before = error.doc[:position].rstrip(" \t\r\n")
        if before.endswith(",") and error.doc[position : position + 1] in ("}", "]"):
            # Python 3.12 and earlier report the bracket, 3.13 and later the comma before it.
            what, position = _FAULTS["Illegal trailing comma"], len(before) - 1
        place = json.JSONDecodeError("", error.doc, position)
        return cls(what, position, place.lineno, place.colno)

    @override
    def __str__(self) -> str:
        """Return the fault and its line and column, as they end a sentence."""
        return f"{self.what} at line {self.line} column {self.column}".lstrip()
