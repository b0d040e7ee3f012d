"""What is wrong with a value, in words: of each error of the validator a place and a sentence.

The validator gathers all errors before it gives the first one, at some 20 µs each, so what is large
is cut before they are gathered.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jsonschema_rs import ValidationError, ValidationErrorKind, Validator

from bridge.errors import Fault
from bridge.formats.json_text import show
from bridge.formats.pointers import pointer_to

FAULTS_MAX = 20
"""So many faults of one value are told; that there are more is said."""

_DETAIL_CHARS = 300
_SHOWN_CHARS = 160
_SHOWN_NODES = 100
_KEPT_NODES = 2000
_KEPT_ITEMS = 100
"""What is left of a large value to find its first faults in."""

_CONDITIONAL = frozenset(
    {"contains", "dependencies", "dependentSchemas", "else", "if", "not", "then"}
    | {"unevaluatedItems", "unevaluatedProperties"}
)
"""Keywords below which a fault depends on more of the value than the place it is at."""

Kinds = ValidationErrorKind
Place = tuple[str | int, ...]


def faults_found(validator: Validator, value: Any) -> Iterator[tuple[Fault, ...]]:
    """Return the faults of a value, at most one more than FAULTS_MAX, the best where few.

    Of a large value the first ones given are those that show in the beginnings of its lists and
    objects; finding all may take long, and whoever does not wait for it has these.
    """
    cuts: list[Place] = []
    kept = cut(value, _KEPT_NODES, _KEPT_ITEMS, cuts)
    errors: Iterable[ValidationError] = validator.iter_errors(kept)
    if not cuts:
        yield faults_of(errors, value)[: FAULTS_MAX + 1]
        return
    sure = faults_of((error for error in errors if _is_sure(error, cuts)), value)
    yield sure[: FAULTS_MAX + 1]
    if len(sure) <= FAULTS_MAX:
        yield faults_of(validator.iter_errors(value), value)[: FAULTS_MAX + 1]


def faults_of(errors: Iterable[ValidationError], value: Any) -> tuple[Fault, ...]:
    """Return the faults that errors stand for, each once; `value` is what was checked."""
    return tuple(dict.fromkeys(fault for error in errors for fault in fault_of(error, value)))


def fault_of(error: ValidationError, value: Any) -> Iterator[Fault]:
    """Return the faults that an error stands for: a missing member has the place it would have."""
    place = tuple(error.instance_path)
    match error.kind:
        case Kinds.Required(name):
            yield Fault(pointer_to((*place, name)), "is required")
        case Kinds.PropertyNames(inner):
            yield Fault(pointer_to(place), _sentence(inner, inner.instance))
        case _:
            yield Fault(pointer_to(place), _sentence(error, _at(value, place)))


def unexpected_members(error: ValidationError, value: Any) -> list[str]:
    """Return the names of members that an error says no member may have; mostly there are none.

    `value` is what the error is about. A schema that allows no member at all is told by the
    validator as one that allows no value.
    """
    match error.kind:
        case Kinds.AdditionalProperties(names) | Kinds.UnevaluatedProperties(names):
            return list(names)
        case Kinds.FalseSchema() if isinstance(value, dict):
            *_, around, last = ("", "", *error.schema_path)
            is_keyword = last == "additionalProperties" and around != "properties"
            return list(value) if is_keyword else []
    return []


def cut(value: Any, nodes: int, items: int, cuts: list[Place]) -> Any:
    """Copy the beginning of a value: so many of its parts, and of each container so many items.

    The places of containers that were not copied whole are added to `cuts`.
    """
    left = nodes

    def copy(part: Any, at: Place) -> Any:
        nonlocal left
        left -= 1
        if not isinstance(part, list | dict):
            return part
        copied: dict[Any, Any] = {}
        for key, member in part.items() if isinstance(part, dict) else enumerate(part):
            if left <= 0 or len(copied) == items:
                cuts.append(at)
                break
            copied[key] = copy(member, (*at, key))
        return copied if isinstance(part, dict) else list(copied.values())

    return copy(value, ())


def _is_sure(error: ValidationError, cuts: list[Place]) -> bool:
    """Report whether a fault of a cut value is one of the whole."""
    place = tuple(error.instance_path)
    is_whole = all(at[: len(place)] != place for at in cuts)
    return is_whole and _CONDITIONAL.isdisjoint(map(str, error.evaluation_path[:-1]))


def _at(value: Any, place: Place) -> Any:
    for part in place:
        value = value[part]
    return value


def _sentence(error: ValidationError, value: Any) -> str:
    if names := unexpected_members(error, value):
        return _short(_unexpected(error, names), _DETAIL_CHARS)
    say = _SENTENCES.get(type(error.kind))
    return _short(say(error, _show(value)) if say else error.message, _DETAIL_CHARS)


def _unexpected(error: ValidationError, names: list[str]) -> str:
    which = "Unevaluated" if isinstance(error.kind, Kinds.UnevaluatedProperties) else "Additional"
    listed = ", ".join(_show(name) for name in names[:FAULTS_MAX])
    were = "was" if len(names) == 1 else "were"
    return f"{which} properties are not allowed ({listed} {were} unexpected)"


def _show(value: Any) -> str:
    return show(cut(value, _SHOWN_NODES, _SHOWN_NODES, []), _SHOWN_CHARS)


def _rule(part: Any) -> str:
    """Format what a schema wants, which is shown as far as a sentence goes."""
    return show(part, _DETAIL_CHARS)


def _short(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[:chars]}…"


def _too_few(limit: int, sentence: str) -> str:
    return "should be non-empty" if limit == 1 else sentence


def _too_many(limit: int, sentence: str) -> str:
    return "is expected to be empty" if limit == 0 else sentence


def _counted(error: ValidationError, shown: str) -> str:
    match error.schema_path[-1]:
        case "minContains":
            return "Too few items match the given schema"
        case "maxContains":
            return "Too many items match the given schema"
    return f"{shown} does not contain items matching the given schema"


# The sentences are those of the library jsonschema, which told them before: people search for them.
# Values stand in them as JSON, which is what their senders know.
_SENTENCES: dict[type, Callable[[Any, str], str]] = {
    Kinds.Type: lambda e, v: f"{v} is not of type {', '.join(map(_rule, e.kind.types))}",
    Kinds.Enum: lambda e, v: f"{v} is not one of {_rule(e.kind.options)}",
    Kinds.Constant: lambda e, _: f"{_rule(e.kind.expected_value)} was expected",
    Kinds.Format: lambda e, v: f"{v} is not a {_rule(e.kind.format)}",
    Kinds.Custom: lambda e, v: f"{v} {e.kind.message}",
    Kinds.Pattern: lambda e, v: f"{v} does not match {_rule(e.kind.pattern)}",
    Kinds.MinLength: lambda e, v: f"{v} {_too_few(e.kind.limit, 'is too short')}",
    Kinds.MaxLength: lambda e, v: f"{v} {_too_many(e.kind.limit, 'is too long')}",
    Kinds.MinItems: lambda e, v: f"{v} {_too_few(e.kind.limit, 'is too short')}",
    Kinds.MaxItems: lambda e, v: f"{v} {_too_many(e.kind.limit, 'is too long')}",
    Kinds.MinProperties: lambda e, v: (
        f"{v} {_too_few(e.kind.limit, 'does not have enough properties')}"
    ),
    Kinds.MaxProperties: lambda e, v: f"{v} {_too_many(e.kind.limit, 'has too many properties')}",
    Kinds.Minimum: lambda e, v: f"{v} is less than the minimum of {_rule(e.kind.limit)}",
    Kinds.Maximum: lambda e, v: f"{v} is greater than the maximum of {_rule(e.kind.limit)}",
    Kinds.ExclusiveMinimum: lambda e, v: (
        f"{v} is less than or equal to the minimum of {_rule(e.kind.limit)}"
    ),
    Kinds.ExclusiveMaximum: lambda e, v: (
        f"{v} is greater than or equal to the maximum of {_rule(e.kind.limit)}"
    ),
    Kinds.MultipleOf: lambda e, v: f"{v} is not a multiple of {_rule(e.kind.multiple_of)}",
    Kinds.UniqueItems: lambda _, v: f"{v} has non-unique elements",
    Kinds.Contains: _counted,
    Kinds.AnyOf: lambda _, v: f"{v} is not valid under any of the given schemas",
    Kinds.OneOfNotValid: lambda _, v: f"{v} is not valid under any of the given schemas",
    Kinds.OneOfMultipleValid: lambda _, v: f"{v} is valid under more than one of the given schemas",
    Kinds.Not: lambda e, v: f"{v} should not be valid under {_rule(e.kind.schema)}",
    Kinds.FalseSchema: lambda _, v: f"False schema does not allow {v}",
}
