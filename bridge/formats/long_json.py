"""JSON that is too long to be read into values at once: a part of its text, found little by little.

To read fifteen megabytes of JSON into values and to write them again takes a second or two, in
which the process does nothing else. So what is that long is cut out of its text, and where a
pointer leads in it is found a little at a time.
"""

import asyncio
import json
import re
from collections import OrderedDict
from dataclasses import dataclass

from bridge.errors import NotFoundError
from bridge.formats.json_text import STRING, show
from bridge.formats.pointers import parts_of

STEPS_AT_ONCE = 5000
PLACES_KEPT = 1000

Span = tuple[int, int]

_STRING_OR_BRACKET = re.compile(rf"{STRING.pattern}|[\[\]{{}}]", re.DOTALL)
_SCALAR = re.compile(r"[^\s,\]}]+")
_BLANK = re.compile(r"[\s,:]*")
_ESCAPE = re.compile(r"\\(?:u([dD][89abAB]..)\\u([dD][c-fC-F]..)|u(....)|.)", re.DOTALL)

_TOKEN = re.compile(rf'{STRING.pattern}|["\[\]{{}},:]|[^\s\[\]{{}},:"]+', re.DOTALL)
_WHOLE = re.compile(
    r'"(?:[^"\\]++|\\[^u]|\\u(?![dD][89abAB])[0-9a-fA-F]{4}'
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*+",
    re.DOTALL,
)
"""The beginning of a string, without an escape that is cut in two."""

_places: OrderedDict[tuple[int, int, str], Span] = OrderedDict()


@dataclass(frozen=True)
class Page:
    """A part of a text; `next_offset` is None on the last one."""

    text: str
    next_offset: int | None


def page(text: str, offset: int, chars: int) -> Page:
    """Cut `chars` characters out of a text from `offset` on."""
    end = offset + chars
    return Page(text[offset:end], end if end < len(text) else None)


@dataclass(frozen=True)
class LongJson:
    """Valid JSON, as text."""

    text: str

    def page(self, offset: int, chars: int) -> Page:
        """Return about `chars` characters from `offset` on, with no escape cut in two.

        Characters stand for themselves where they are kept as escapes.
        """
        end = min(offset + chars, len(self.text))
        for escape in _ESCAPE.finditer(self.text, offset):
            if escape.start() >= end:
                break
            if escape.end() > end:
                end = escape.start() if escape.start() > offset else escape.end()
        shown = _ESCAPE.sub(_character, self.text[offset:end])
        return Page(shown, end if end < len(self.text) else None)

    async def text_at(self, pointer: str) -> str:
        """Return the text of what a JSON Pointer names.

        Raises:
            NotFoundError: it leads nowhere.
        """
        start, end = await self._span(pointer)
        return self.text[start:end]

    async def behind(self, pointer: str, chars: int) -> tuple[str, bool]:
        """Return what stands behind a member in its array or object, that bracket before it.

        Of more than `chars` characters it is the beginning, which is no whole JSON: True then.

        Raises:
            NotFoundError: it leads nowhere.
        """
        _, member_end = await self._span(pointer)
        start, end = await self._span(pointer.rpartition("/")[0])
        begin = end_of_blank(self.text, member_end)
        return self.text[start] + self.text[begin:end][:chars], end - begin > chars

    async def _span(self, pointer: str) -> Span:
        key = (hash(self.text), len(self.text), pointer)
        span = _places.get(key) or await _Walk(self.text).to(pointer)
        _places[key] = span
        _places.move_to_end(key)
        if len(_places) > PLACES_KEPT:
            _places.popitem(last=False)
        return span


def completed(text: str) -> str:
    """Return valid JSON that says what the beginning of some says; of other texts, anything.

    A string that is a value ends where the text does. What else may be cut there is left out: a
    number, a name, a member without its value.
    """
    closing: list[str] = []
    end, names = 0, False
    for token in _TOKEN.finditer(text):
        match token[0][0]:
            case "{" | "[" as opening:
                names, end = opening == "{", token.end()
                closing.append("}" if names else "]")
            case "}" | "]" if closing:
                names, end = False, token.end()
                closing.pop()
            case ",":
                names = closing[-1:] == ["}"]
            case ":":
                names = False
            case '"' if len(token[0]) == 1:
                if not names:
                    whole = _end_of(_WHOLE.match(text, token.start()))
                    text, end = text[:whole] + '"', whole + 1
                break
            case first if not names and (first == '"' or token.end() < len(text)):
                end = token.end()
    return text[:end] + "".join(reversed(closing))


def _character(escape: re.Match[str]) -> str:
    high, low, one = escape.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF))
    if one is None or (number := int(one, 16)) < 0x20 or 0xD800 <= number < 0xE000:
        return escape[0]
    return escape[0] if chr(number) in '"\\' else chr(number)


class _Walk:
    """Finds its way through a text, and lets others run on the way."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._steps = 0

    async def to(self, pointer: str) -> Span:
        """Return where what a pointer names begins and ends."""
        try:
            names = parts_of(pointer)
        except ValueError as error:
            raise NotFoundError(f"the path {error}") from error
        span = (0, len(self._text))
        for name in names:
            found = await self._member(span[0], name)
            if found is None:
                raise NotFoundError(f"the path leads nowhere at {show(name)}")
            span = found
        return span

    async def _member(self, at: int, name: str) -> Span | None:
        is_object = self._text[at] == "{"
        if not is_object and (self._text[at] != "[" or not re.fullmatch("0|[1-9][0-9]*", name)):
            return None
        found, index = None, 0
        at = end_of_blank(self._text, at + 1)
        while self._text[at] not in "]}":
            own = str(index)
            if is_object:
                end = await self._end(at)
                own = json.loads(self._text[at:end])
                at = end_of_blank(self._text, end)
            end = await self._end(at)
            if own == name:
                found = (at, end)  # of two members of one name the last one counts
                if not is_object:
                    break
            at, index = end_of_blank(self._text, end), index + 1
        return found

    async def _end(self, at: int) -> int:
        """Return where the value that begins at `at` ends."""
        await self._step()
        if self._text[at] not in "[{":
            kind = STRING if self._text[at] == '"' else _SCALAR
            return _end_of(kind.match(self._text, at))
        depth = 0
        while True:
            found = _STRING_OR_BRACKET.search(self._text, at)
            at = _end_of(found)
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(self._text[at - 1], 0)
            if depth == 0:
                return at
            await self._step()

    async def _step(self) -> None:
        self._steps += 1
        if self._steps % STEPS_AT_ONCE == 0:
            await asyncio.sleep(0)


def _end_of(found: re.Match[str] | None) -> int:
    assert found is not None, "what is kept is valid JSON"
    return found.end()


def end_of_blank(text: str, at: int) -> int:
    """Return where the next value, name or bracket begins."""
    return _end_of(_BLANK.match(text, at))
