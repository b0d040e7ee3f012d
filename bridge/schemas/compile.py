"""JSON Schema, drafts 4 to 2020-12 by their `$schema`: whether a schema is sound, and compiled.

Patterns are regular expressions of ECMA 262 that may match anywhere (JSON Schema 2020-12 Core,
6.4). Most are matched in time linear in the text. Look-around and back-references cannot be, and
are left to an engine that tries all there is to try; so are a few rare forms that only that one
reads.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import regress
from jsonschema_rs import FancyRegexOptions, RegexOptions, Validator

from bridge.errors import Fault
from bridge.formats.json_text import show
from bridge.formats.pointers import parts_of, pointer_to
from bridge.schemas.faults import fault_of, faults_of
from bridge.schemas.wording import in_words

LINEAR = RegexOptions()

PATTERN_CHARS_SHOWN = 300


@functools.cache
def is_linear(pattern: str) -> bool:
    """Return whether a pattern can be matched in linear time."""
    try:
        _linear(pattern)
    except jsonschema_rs.ValidationError:
        return False
    return True


@functools.cache
def is_pattern(pattern: object) -> bool:
    """Return whether this is a pattern at all; what is no text is none that could be wrong."""
    if not isinstance(pattern, str) or is_linear(pattern):
        return True
    try:
        _backtracking(pattern)
    except regress.RegressError:
        return False
    return True


@functools.cache
def is_portable(pattern: str) -> bool:
    """Return whether JavaScript, with its flag u, and Python can both read a pattern."""
    try:
        regress.Regex(pattern, "u")
        re.compile(pattern)
    except (regress.RegressError, re.error):
        return False
    return True


class EcmaPattern:
    """The keyword `pattern`, for schemas with one that cannot be matched in linear time."""

    def __init__(self, _parent: object, pattern: str, _place: object) -> None:
        self._pattern = pattern
        self._matches: Callable[[str], bool]
        if is_linear(pattern):
            self._matches = _linear(pattern).is_valid
        else:
            backtracking = _backtracking(pattern)
            self._matches = lambda text: backtracking.find(text) is not None

    def validate(self, value: object) -> None:
        """Accept what is no text, or matches.

        Raises:
            ValueError: it does not match.
        """
        if isinstance(value, str) and not self._matches(value):
            raise ValueError(f"does not match {show(self._pattern, PATTERN_CHARS_SHOWN)}")


def _linear(pattern: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        {"type": "string", "pattern": pattern}, pattern_options=LINEAR, offline=True
    )


def _backtracking(pattern: str) -> regress.Regex:
    """Read a pattern as one of Unicode, or else as the web reads old ones (ECMA 262, Annex B)."""
    try:
        return regress.Regex(pattern, "u")
    except regress.RegressError:
        return regress.Regex(pattern)


Place = tuple[str | int, ...]

DIALECTS = {
    "json-schema.org/draft-04/schema": "http://json-schema.org/draft-04/schema#",
    "json-schema.org/draft-06/schema": "http://json-schema.org/draft-06/schema#",
    "json-schema.org/draft-07/schema": "http://json-schema.org/draft-07/schema#",
    "json-schema.org/draft/2019-09/schema": "https://json-schema.org/draft/2019-09/schema",
    "json-schema.org/draft/2020-12/schema": "https://json-schema.org/draft/2020-12/schema",
}
DEFAULT_DIALECT = DIALECTS["json-schema.org/draft/2020-12/schema"]

_DATA_KEYWORDS = frozenset({"const", "default", "enum", "examples"})
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_FOR_EACH = frozenset(
    {"additionalItems", "additionalProperties", "contains", "items", "propertyNames"}
    | {"unevaluatedItems", "unevaluatedProperties"}
)
"""Keywords that look at each member or item, of which the sender decides how many there are."""

_PER_UNIT = frozenset({"multipleOf", "pattern", "patternProperties", "uniqueItems"})
"""Keywords that cost more than a look: by the length of a text or number, by pairs of items."""

_UNLIMITED = FancyRegexOptions(backtrack_limit=2**63)
"""No count of steps ends the search, for what had to be given up would pass for a mismatch."""


class Cost(Enum):
    """What checking a value takes at most, by what its schema asks."""

    NAMED = "a look at the parts that the schema names, however many others there are"
    PLAIN = "a look at each part"
    PER_UNIT = "more for each part, or for pairs of them"
    UNBOUNDED = "exponentially more than the value has parts"


@dataclass(frozen=True)
class Compiled:
    """A schema that is ready for use."""

    validator: Validator
    cost: Cost


def compile_schema(schema: Mapping[str, Any]) -> Compiled:
    """Return a sound schema ready for use; nothing is ever fetched for it."""
    whole = _named_as_known(dict(schema))
    if not all(is_linear(pattern) for _, pattern in _patterns(whole, ())):
        return Compiled(_backtracking_validator(whole), Cost.UNBOUNDED)
    validator = jsonschema_rs.validator_for(
        whole, pattern_options=LINEAR, validate_formats=False, offline=True
    )
    if _is_recursive(whole):
        return Compiled(validator, Cost.UNBOUNDED)
    asked = [(keyword, of) for _, keyword, of in _members(whole, ())]
    if any(_is_per_unit(keyword, of) for keyword, of in asked):
        return Compiled(validator, Cost.PER_UNIT)
    is_for_each = any(keyword in _FOR_EACH for keyword, _ in asked)
    return Compiled(validator, Cost.PLAIN if is_for_each else Cost.NAMED)


def faults_in_value(schema: Mapping[str, Any], value: object) -> tuple[Fault, ...]:
    """Name everything in `value` that `schema` forbids; a missing member by its would-be place.

    For values that are trusted as the schema is: nothing bounds what this costs.
    """
    return faults_of(compile_schema(schema).validator.iter_errors(value), value)


def faults_in_schema(schema: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Name all that makes `schema` no schema of its dialect, or makes it need another file."""
    dialect = DEFAULT_DIALECT
    if "$schema" in schema:
        known = DIALECTS.get(str(schema["$schema"]).partition("://")[2].rstrip("#"))
        if known is None:
            return (Fault("/$schema", f"is no dialect that is known here: {_KNOWN}"),)
        dialect = known
    metaschema = _metaschema(dialect)
    # A metaschema of 2020-12 is several in one, and each of them names the same fault.
    unsound = dict.fromkeys(
        Fault(fault.pointer, f"is no JSON Schema: {in_words(fault, schema)}")
        for error in metaschema.iter_errors(schema)
        for fault in fault_of(error, schema)
    )
    return tuple(unsound) or tuple(_bad_references(schema)) or tuple(_uncompilable(schema))


@functools.cache
def _metaschema(dialect: str) -> Validator:
    return jsonschema_rs.validator_for(
        {"$schema": dialect, "$ref": dialect},
        formats={"regex": is_pattern},
        validate_formats=True,
        offline=True,
    )


def unbounded_patterns(schema: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Name the patterns of a schema that cannot be matched in linear time, with their places."""
    for place, pattern in _patterns(schema, ()):
        if not is_linear(pattern) and is_pattern(pattern):
            yield place, pattern


def is_read_by_clients(schema: Mapping[str, Any]) -> bool:
    """Return whether the validators of stock clients can be expected to read a schema.

    Ajv, in clients of JavaScript, knows drafts from 6 on and gives up all tools for one output that
    it cannot read, an odd pattern say; jsonschema, in those of Python, gives up each result of it.
    """
    is_of_draft_4 = "draft-04" in str(schema.get("$schema"))
    return not is_of_draft_4 and all(is_portable(pattern) for _, pattern in _patterns(schema, ()))


_KNOWN = f"leave it out for 2020-12, or name one of {', '.join(DIALECTS.values())}"


def _backtracking_validator(schema: dict[str, Any]) -> Validator:
    return jsonschema_rs.validator_for(
        schema,
        keywords={"pattern": EcmaPattern},
        pattern_options=_UNLIMITED,  # of patternProperties
        validate_formats=False,
        offline=True,
    )


def _named_as_known(schema: dict[str, Any]) -> dict[str, Any]:
    """Name the dialect as the library does, which takes every other name for 2020-12."""
    known = DIALECTS.get(str(schema.get("$schema", "")).partition("://")[2].rstrip("#"))
    return schema | {"$schema": known} if known else schema


def _uncompilable(schema: Mapping[str, Any]) -> Iterator[Fault]:
    try:
        compile_schema(schema)
    except jsonschema_rs.ValidationError as error:
        yield Fault(pointer_to(error.instance_path), f"cannot be used: {error.message}")
    except ValueError:  # the library's word for a schema that is too deep for it
        yield Fault("", "cannot be used: it is nested too deeply")


def _bad_references(schema: Mapping[str, Any]) -> Iterator[Fault]:
    anchors = {f"#{name.lstrip('#')}" for name in _anchors(schema)}
    for place, reference in _references(schema, ()):
        if not reference.startswith("#"):
            yield Fault(pointer_to(place), "may only refer to this schema itself, as in #/$defs/x")
        elif reference not in anchors and not _has(schema, unquote(reference[1:])):
            yield Fault(pointer_to(place), f"refers to {reference}, which this schema lacks")


def _anchors(schema: Mapping[str, Any]) -> Iterator[str]:
    for _, key, name in _members(schema, ()):
        if isinstance(name, str) and (
            key in ("$anchor", "$dynamicAnchor") or (key in ("$id", "id") and name.startswith("#"))
        ):
            yield name


def _has(schema: Any, pointer: str) -> bool:
    try:
        for part in parts_of(pointer):
            schema = schema[int(part) if isinstance(schema, list) else part]
    except (ValueError, LookupError, TypeError):
        return False
    return True


def _is_recursive(schema: dict[str, Any]) -> bool:
    """Report whether a schema applies to parts of a value what it applies to the whole.

    A reference by other than a pointer is taken for one that does.
    """
    references = [(place, unquote(name)) for place, name in _references(schema, ())]
    targets: dict[str, Place] = {}
    for _, name in references:
        if not (name == "#" or name.startswith("#/")):
            return True
        targets[name] = tuple(parts_of(name[1:]))
    leads_to = {
        name: {inner for at, inner in references if _is_within(at, place)}
        for name, place in targets.items()
    }
    return any(_reaches(name, name, leads_to) for name in targets)


def _is_within(place: Place, outer: Place) -> bool:
    return tuple(map(str, place[: len(outer)])) == outer


def _reaches(start: str, goal: str, leads_to: Mapping[str, set[str]]) -> bool:
    seen: set[str] = set()
    ahead = set(leads_to[start])
    while ahead:
        name = ahead.pop()
        if name == goal:
            return True
        seen.add(name)
        ahead |= leads_to[name] - seen
    return False


def _references(part: Any, at: Place) -> Iterator[tuple[Place, str]]:
    for place, key, member in _members(part, at):
        if key in _REFERENCES and isinstance(member, str):
            yield place, member


def _patterns(part: Any, at: Place) -> Iterator[tuple[Place, str]]:
    for place, key, member in _members(part, at):
        if key == "pattern" and isinstance(member, str):
            yield place, member
        elif key == "patternProperties" and isinstance(member, dict):
            yield from (((*place, pattern), pattern) for pattern in member)


def _is_per_unit(keyword: str, asked: Any) -> bool:
    """Report whether a keyword costs more than one look; objects are compared one by one."""
    if keyword == "enum" and isinstance(asked, list):
        return any(isinstance(option, dict | list) for option in asked)
    return keyword in _PER_UNIT


def _members(part: Any, at: Place) -> Iterator[tuple[Place, str, Any]]:
    """Return everything in a schema that stands under a name, however deep, but no data."""
    if isinstance(part, dict):
        for key, member in part.items():
            yield (*at, key), key, member
            if key not in _DATA_KEYWORDS:
                yield from _members(member, (*at, key))
    elif isinstance(part, list):
        for index, item in enumerate(part):
            yield from _members(item, (*at, index))
