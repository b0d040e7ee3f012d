"""Files within JSON: texts in base64, as far as a schema declares them to be files.

Source: JSON Schema 2020-12 Validation, 8.3 `contentEncoding` and 8.4 `contentMediaType`.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bridge.errors import NotFoundError
from bridge.formats.payloads import resolve
from bridge.formats.pointers import parts_of, pointer_to
from bridge.models import Json

FILES_MAX = 20
"""How many are looked for in one value; those behind them stay what they are, texts in base64."""

STEPS_MAX = 50
"""How far into a schema is looked: one may lead back to itself."""

VISITS_MAX = 100_000
"""How often a part of a value is looked at by a part of the schema; what is behind is no file."""

ANY_TYPE = "application/octet-stream"
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,")
_BOTH = ("allOf", "anyOf", "oneOf")

Schema = Mapping[str, Any]
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class EmbeddedFile:
    """A file within JSON: the JSON Pointer `path` leads to its text."""

    path: str
    media_type: str
    content: bytes


def declares_files(schema: Any) -> bool:
    """Report whether anything that a schema describes may be a file."""
    if isinstance(schema, Mapping):
        return schema.get("contentEncoding") == "base64" or any(
            map(declares_files, schema.values())
        )
    return isinstance(schema, list) and any(map(declares_files, schema))


def find_files(schema: Schema, value: Json) -> list[EmbeddedFile]:
    """Return the declared files of a value; what is no base64 is none."""
    found = []
    for path, media_type in declared_places(schema, value).items():
        text = resolve(value, path)
        if isinstance(text, str) and (read := read_file_text(text)):
            found.append(EmbeddedFile(path, read[1] or media_type, read[0]))
    return found


def declared_places(schema: Schema, value: Json) -> dict[str, str]:
    """Return where in a value the schema declares files, by pointer, with their media types."""
    places: dict[str, str] = {}
    for place, media_type in _places(schema, value):
        places.setdefault(pointer_to(place), media_type)
        if len(places) == FILES_MAX:
            break
    return places


def read_file_text(text: str) -> tuple[bytes, str] | None:
    """Return the bytes that a text in base64 says, and the type that a data URL gives them."""
    url = _DATA_URL.match(text)
    try:
        content = base64.b64decode("".join(text[url.end() if url else 0 :].split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return content, (url[1] or "" if url else "")


def replaced(value: Json, texts: Mapping[str, str]) -> Json:
    """Return a value with other texts at the places that pointers name."""
    for path, text in texts.items():
        value = _put(value, parts_of(path), text)
    return value


def _put(value: Json, names: tuple[str, ...], text: str) -> Json:
    if not names:
        return text
    name, rest = names[0], names[1:]
    if isinstance(value, list):
        items = list(value)
        items[int(name)] = _put(value[int(name)], rest, text)
        return items
    return {**value, name: _put(value[name], rest, text)} if isinstance(value, dict) else value


def _places(whole: Schema, value: Json) -> Iterator[tuple[Place, str]]:
    """Yield where files are declared, in the order of the value.

    A schema that is a union of kinds leads to the same part by each of them, and on to what is
    within it: no part is looked at twice by one schema.
    """
    leads_on = _Leads()
    seen: set[tuple[int, Place]] = set()
    ahead: list[tuple[Any, Json, Place, int]] = [(whole, value, (), STEPS_MAX)]
    while ahead and len(seen) < VISITS_MAX:
        schema, part, place, steps = ahead.pop()
        visit = (id(schema), place)
        if not isinstance(schema, Mapping) or steps == 0 or visit in seen:
            continue
        seen.add(visit)
        if isinstance(part, str) and schema.get("contentEncoding") == "base64":
            yield place, str(schema.get("contentMediaType") or ANY_TYPE)
        found = [(same, part, place, steps - 1) for same in _of_the_same(whole, schema)]
        for name, inner in islice(_parts(schema, part, leads_on), VISITS_MAX):
            found.append((inner, part[name], (*place, name), steps - 1))  # type: ignore[index]
        ahead.extend(reversed(found))


def _of_the_same(whole: Schema, schema: Schema) -> Iterator[Any]:
    """Yield the schemas within one that describe the same value as it does."""
    for keyword in _BOTH:
        yield from schema.get(keyword) or ()
    ref = schema.get("$ref")
    if isinstance(ref, str) and ref.startswith("#/"):
        try:
            yield resolve(whole, ref[1:])  # type: ignore[arg-type]
        except NotFoundError:
            return


class _Leads(dict[int, bool]):
    """Whether a schema may lead to files, by its id: asked anew for each of a million members."""

    def of(self, schema: Any) -> bool:
        found = self.get(id(schema))
        if found is None:
            found = self[id(schema)] = declares_files(schema) or "$ref" in str(schema)
        return found


def _parts(schema: Schema, value: Json, leads_on: _Leads) -> Iterator[tuple[str | int, Any]]:
    """Yield the members and items of a value that may hold files, each with its schema."""
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        rest = schema.get("additionalProperties")
        named = ((name, properties.get(name, rest)) for name in value)
        yield from ((name, part) for name, part in named if part and leads_on.of(part))
    elif isinstance(value, list):
        first, rest = schema.get("prefixItems") or [], schema.get("items")
        yield from enumerate(first[: len(value)])
        if leads_on.of(rest):
            yield from ((index, rest) for index in range(len(first), len(value)))
