"""Payloads, results and answers as pages show them: a tree and a text, bounded, without secrets.

A page shows the beginning of what is long, and each place where something is left out leads to a
page of what follows there. What carries a secret by its name, or by how it looks, is left out of
both; what cannot be seen, or would turn the text around it, stands as its escape. To find out
takes a while for texts that were made for it, so what is no trifle is looked at beside the loop.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.errors import NotFoundError
from bridge.formats.json_text import decode, off_loop, spell
from bridge.formats.long_json import LongJson, completed
from bridge.formats.pointers import parts_of, pointer_to
from bridge.formats.secret_names import holds_a_secret, names_a_secret
from bridge.formats.visible import visible
from bridge.models import Json

READ_BYTES = 64 * 1024
TRIFLE_BYTES = 1024
NODES_MAX = 300
DEPTH_MAX = 30
TEXT_CHARS_MAX = 4000
INDEX_DIGITS_MAX = 9
"""Places in what is on record have fewer; a number of more is none."""
OVERLAP_CHARS = 200
"""So much before and behind a piece of a text is looked at for a secret that the cut would hide."""
SECRET = "[secret]"  # noqa: S105 - what stands in place of one


@dataclass(frozen=True)
class Place:
    """A place in a value: what a JSON Pointer names, or what follows there.

    That is, of an object or array, behind the member `after`; of a text, from the character
    `offset` on.
    """

    pointer: str = ""
    after: str | None = None
    offset: int = 0

    @property
    def is_secret(self) -> bool:
        """Report whether a name on the way says that it holds a secret."""
        return any(map(names_a_secret, parts_of(self.pointer)))

    @property
    def first(self) -> int:
        """The index of the first member of an array that is shown."""
        return 0 if self.after is None else index_in(self.after, -1) + 1


@dataclass(frozen=True)
class ValueNode:
    """A value in a tree; `kind` is `object`, `list`, `text`, `plain` or `secret`.

    `left_out` says how many members are not shown, where that is known, and `more` the place where
    it goes on.
    """

    name: str
    kind: str
    text: str = ""
    members: tuple["ValueNode", ...] = ()
    left_out: int = 0
    more: Place | None = None


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
    is_cut = len(content) > READ_BYTES
    head = content[:READ_BYTES].decode(errors="ignore")
    show = functools.partial(_shown, head, Place(), is_cut=is_cut, size_bytes=len(content))
    return await off_loop(len(content), show, TRIFLE_BYTES)


async def shown_part(content: bytes, place: Place) -> ShownValue:
    """Return what to show of a part of JSON that is on record.

    Raises:
        NotFoundError: it has no such place.
    """
    whole = LongJson(content.decode())
    if place.after is not None:
        member = place.pointer + pointer_to([place.after])
        text, is_cut = await whole.behind(member, READ_BYTES)
        return await _beside(text, place, is_cut=is_cut)
    text = await whole.text_at(place.pointer)
    if text.startswith('"'):
        return await off_loop(READ_BYTES, functools.partial(_piece, text, place), TRIFLE_BYTES)
    return await _beside(text[:READ_BYTES], place, is_cut=len(text) > READ_BYTES)


async def _beside(text: str, place: Place, *, is_cut: bool) -> ShownValue:
    show = functools.partial(_shown, text, place, is_cut=is_cut, size_bytes=len(text))
    return await off_loop(len(text), show, TRIFLE_BYTES)


def place_of(query: Mapping[str, str]) -> Place:
    """Return the place that an address names.

    Raises:
        NotFoundError: it names none.
    """
    pointer = query.get("at", "")
    try:
        parts_of(pointer)
    except ValueError as error:
        raise NotFoundError(f"the place {error}") from error
    return Place(pointer, query.get("after"), index_in(query.get("offset", ""), 0))


def index_in(text: str, default: int) -> int:
    """Return the place that a text counts, or the default where it counts none."""
    return int(text) if text.isdecimal() and len(text) <= INDEX_DIGITS_MAX else default


def _shown(text: str, place: Place, *, is_cut: bool, size_bytes: int) -> ShownValue:
    kept = decode(completed(text) if is_cut else text)
    value = masked(kept, is_secret=place.is_secret)
    tree = _Tree().node("", value, place, is_cut=is_cut)
    is_whole, raw = not is_cut and value == kept, visible(spell(value))
    return ShownValue(size_bytes, is_cut, is_whole, tree, raw)


def _piece(text: str, place: Place) -> ShownValue:
    """Return a piece of a text; of one that would cut a secret, nothing."""
    around = LongJson(text[1:-1])
    before = max(place.offset - OVERLAP_CHARS, 0)
    looked_at = around.page(before, READ_BYTES + 2 * OVERLAP_CHARS).text
    found = around.page(place.offset, READ_BYTES)
    is_secret = place.is_secret or holds_a_secret(looked_at)
    more = None if found.next_offset is None else Place(place.pointer, offset=found.next_offset)
    shown = SECRET if is_secret else visible(found.text)
    node = ValueNode("", "secret" if is_secret else "text", shown, more=more)
    return ShownValue(len(text), more is not None, is_whole=False, tree=node, raw=shown)


def shown_text(text: str) -> str:
    """Return a text that may be the beginning of JSON, such as a summary, without its secrets."""
    if not holds_a_secret(text):
        return visible(text)
    try:
        return visible(spell(masked(decode(completed(text.removesuffix("…"))))))
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


class _Tree:
    """Makes nodes of values until there are as many as a page can bear."""

    def __init__(self) -> None:
        self._left = NODES_MAX

    def node(self, name: str, value: Json, place: Place, *, is_cut: bool) -> ValueNode:
        """Return the node of what stands at a place; of one that is cut, it goes on at its end."""
        self._left -= 1
        name = visible(name)
        if isinstance(value, dict):
            return self._container(name, "object", value, place, is_cut=is_cut)
        if isinstance(value, list):
            items = {str(place.first + i): each for i, each in enumerate(value)}
            return self._container(name, "list", items, place, is_cut=is_cut)
        if isinstance(value, str):
            more = Place(place.pointer) if is_cut or len(value) > TEXT_CHARS_MAX else None
            kind = "secret" if value == SECRET else "text"
            return ValueNode(name, kind, visible(value), more=more)
        return ValueNode(name, "plain", spell(value))

    def _container(
        self, name: str, kind: str, value: Mapping[str, Json], place: Place, *, is_cut: bool
    ) -> ValueNode:
        members: list[ValueNode] = []
        names = list(value)
        for own, each in value.items():
            if self._left <= 0:
                break
            within = Place(place.pointer + pointer_to([own]))
            members.append(self.node(own, each, within, is_cut=is_cut and own == names[-1]))
        left_out = len(names) - len(members)
        more = None
        if members and (is_cut or left_out):
            more = Place(place.pointer, names[len(members) - 1])
        return ValueNode(name, kind, str(len(value)), tuple(members), left_out, more)
