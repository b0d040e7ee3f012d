"""Payloads, results and answers as pages show them: a tree and a text, bounded, without secrets.

No more of a value is read than is shown, however long it is. What carries a secret by its name, or
by how it looks, is left out of both. To find out takes a while for texts that were made for it, so
what is no trifle is looked at beside the loop.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import from_json

from bridge.formats.json_text import decode, off_loop, spell
from bridge.formats.secret_names import holds_a_secret, names_a_secret
from bridge.models import Json

READ_BYTES = 64 * 1024
TRIFLE_BYTES = 1024
NODES_MAX = 1000
DEPTH_MAX = 30
TEXT_CHARS_MAX = 4000
SECRET = "[secret]"  # noqa: S105 - what stands in place of one


@dataclass(frozen=True)
class ValueNode:
    """A value in a tree; `kind` is `object`, `list`, `text`, `plain` or `secret`.

    `left_out` says how many members are not shown.
    """

    name: str
    kind: str
    text: str = ""
    members: tuple["ValueNode", ...] = ()
    left_out: int = 0


@dataclass(frozen=True)
class ShownValue:
    """What a page shows of a value that has `size_bytes`.

    `is_cut` where that is its beginning alone; `is_whole` where nothing at all is left out.
    """

    size_bytes: int
    is_cut: bool
    is_whole: bool
    tree: ValueNode
    raw: str


async def shown_value(content: bytes) -> ShownValue | None:
    """Return what to show of JSON that is on record; None where there is none."""
    if not content:
        return None
    return await off_loop(len(content), functools.partial(_shown, content), TRIFLE_BYTES)


def _shown(content: bytes) -> ShownValue:
    is_cut = len(content) > READ_BYTES
    kept = _beginning(content) if is_cut else decode(content)
    value = masked(kept)
    is_whole = not is_cut and value == kept
    return ShownValue(len(content), is_cut, is_whole, _Tree().node("", value), spell(value))


def shown_text(text: str) -> str:
    """Return a text that may be the beginning of JSON, such as a summary, without its secrets."""
    if not holds_a_secret(text):
        return text
    try:
        return spell(masked(from_json(text.removesuffix("…"), allow_partial="trailing-strings")))
    except ValueError:
        return SECRET


def masked(value: Json, *, is_secret: bool = False, depth: int = 0) -> Json:
    """Return a value with a mark in place of each text that carries a secret; long ones are cut."""
    if isinstance(value, str):
        text = value[:TEXT_CHARS_MAX]
        if is_secret or holds_a_secret(text):
            return SECRET
        left_out = len(value) - len(text)
        return f"{text}… and {left_out} characters more" if left_out else value
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
            return ValueNode(name, "secret" if value == SECRET else "text", value)
        return ValueNode(name, "plain", spell(value))

    def _container(self, name: str, kind: str, value: Mapping[str, Json]) -> ValueNode:
        members = []
        for own, each in value.items():
            if self._left <= 0:
                break
            members.append(self.node(own, each))
        return ValueNode(name, kind, str(len(value)), tuple(members), len(value) - len(members))
