"""Payloads, results and answers as pages show them: a tree and a text, bounded, without secrets.

No more of a value is read than is shown, however long it is. What carries a secret by its name, or
by how it looks, is left out of both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import from_json

from bridge.formats.json_text import decode, spell
from bridge.formats.secret_names import holds_a_secret, names_a_secret
from bridge.models import Json

READ_BYTES = 64 * 1024
NODES_MAX = 1000
DEPTH_MAX = 30
TEXT_CHARS_MAX = 4000
SECRET = "[secret]"  # noqa: S105 - what stands in place of one


@dataclass(frozen=True)
class ValueNode:
    """A value in a tree; `kind` is `object`, `list`, `text`, `plain` or `secret`.

    `left_out` says how many members, or characters of a text, are not shown.
    """

    name: str
    kind: str
    text: str = ""
    members: tuple["ValueNode", ...] = ()
    left_out: int = 0


@dataclass(frozen=True)
class ShownValue:
    """What a page shows of a value that has `size_bytes`; `is_cut` where that is not all."""

    size_bytes: int
    is_cut: bool
    tree: ValueNode
    raw: str


def shown_value(content: bytes) -> ShownValue | None:
    """Return what to show of JSON that is on record; None where there is none."""
    if not content:
        return None
    is_cut = len(content) > READ_BYTES
    value = masked(_beginning(content) if is_cut else decode(content))
    return ShownValue(len(content), is_cut, _Tree().node("", value), spelled(value))


def spelled(value: Json) -> str:
    """Return a value as JSON in which people find their own letters."""
    return spell(value)


def shown_text(text: str) -> str:
    """Return a text that may be the beginning of JSON, such as a summary, without its secrets."""
    if not holds_a_secret(text):
        return text
    try:
        return spelled(masked(from_json(text.removesuffix("…"), allow_partial="trailing-strings")))
    except ValueError:
        return SECRET


def masked(value: Json, *, is_secret: bool = False, depth: int = 0) -> Json:
    """Return a value with a mark in place of each text that carries a secret."""
    if isinstance(value, str):
        return SECRET if is_secret or holds_a_secret(value) else value
    if not isinstance(value, dict | list):
        return value
    if depth == DEPTH_MAX:
        return "…"
    if isinstance(value, list):
        return [masked(each, is_secret=is_secret, depth=depth + 1) for each in value]
    return {
        name: masked(each, is_secret=is_secret or names_a_secret(name), depth=depth + 1)
        for name, each in value.items()
    }


def _beginning(content: bytes) -> Json:
    text = content[:READ_BYTES].decode(errors="ignore")
    value: Json = from_json(text, allow_partial="trailing-strings")
    return value


class _Tree:
    """Makes nodes of values until there are as many as a page can bear."""

    def __init__(self) -> None:
        self._left = NODES_MAX

    def node(self, name: str, value: Json) -> ValueNode:
        self._left -= 1
        if isinstance(value, dict):
            return self._container(name, "object", value)
        if isinstance(value, list):
            return self._container(name, "list", {str(i): each for i, each in enumerate(value)})
        if isinstance(value, str):
            cut = value[:TEXT_CHARS_MAX]
            kind = "secret" if value == SECRET else "text"
            return ValueNode(name, kind, cut, left_out=len(value) - len(cut))
        return ValueNode(name, "plain", spelled(value))

    def _container(self, name: str, kind: str, value: Mapping[str, Json]) -> ValueNode:
        members = []
        for own, each in value.items():
            if self._left <= 0:
                break
            members.append(self.node(own, each))
        return ValueNode(name, kind, str(len(value)), tuple(members), len(value) - len(members))
