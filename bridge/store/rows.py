"""Values on their way to a step and back, by the types that its function has in Python."""

import json
import types
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from operator import attrgetter
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

from bridge.store.declarations import Columns, Many, Parameter, Shape

Encoder = Callable[[Any], bytes]
Decoder = Callable[[Any], Any]


class SeamError(TypeError):
    """The Python and the Lua of one step declare two different things."""


class Arguments:
    """How the arguments of a step are encoded, from values by the names of its function.

    A table of the Lua is one argument of that name with the fields as its attributes, or each of
    its fields is an argument.
    """

    def __init__(self, parameters: Sequence[Parameter], hints: Mapping[str, Any]) -> None:
        """Compare the arguments of a step with those of its function.

        Raises:
            SeamError: they differ in their names or kinds.
        """
        wanted: list[Parameter] = []
        for each in parameters:
            is_whole = each.kind != "table" or each.name in hints
            wanted += [each] if is_whole else each.fields
        names = sorted(each.name for each in wanted)
        if names != sorted(hints):
            python = ", ".join(sorted(hints))
            raise SeamError(f"the Lua takes {', '.join(names)}; the Python {python}")
        self._plan = [
            (each.name, *_attributes(each.fields, hints[each.name]))
            if each.kind == "table"
            else (each.name, None, [_encoder(each, hints[each.name])])
            for each in wanted
        ]

    def encoded(self, values: Mapping[str, Any]) -> list[bytes]:
        """Encode values in the order in which the Lua takes them."""
        found: list[bytes] = []
        for name, attributes, encoders in self._plan:
            if attributes is None:
                found.append(encoders[0](values[name]))
            else:
                parts = attributes(values[name])
                found += [encode(part) for encode, part in zip(encoders, parts, strict=True)]
        return found


def _attributes(
    fields: Sequence[Parameter], base: type
) -> tuple[Callable[[Any], tuple[Any, ...]], list[Encoder]]:
    """Return what reads the attributes of an object, properties too, and how each is encoded."""
    hints = get_type_hints(base)
    for name in {each.name for each in fields} - hints.keys():
        made = getattr(base, name, None)
        if not isinstance(made, property):
            raise SeamError(f"{base.__name__} has no {name}, which the Lua takes")
        hints[name] = get_type_hints(made.fget)["return"]
    names = [each.name for each in fields]
    return attrgetter(*names), [_encoder(each, hints[each.name]) for each in fields]


def _encoder(parameter: Parameter, hint: Any) -> Encoder:
    base, is_optional = _plain(hint)
    kind = get_origin(base) or base
    found = [each for each in _ENCODERS[parameter.kind] if issubclass(kind, each)]
    if not found or (kind is bool and parameter.kind != "bool"):
        raise SeamError(f"{parameter.name} is declared as {parameter.kind} in Lua, not as {hint}")
    encode = _ENCODERS[parameter.kind][found[0]]
    if is_optional:
        return lambda value: b"" if value is None else encode(value)
    return encode


def _number(value: float) -> bytes:
    return str(value).encode()


def _text(value: str) -> bytes:
    # Half a surrogate pair has no UTF-8 form; as "?" it can hurt nobody.
    return value.encode("utf-8", "replace")


_ENCODE = json.JSONEncoder(ensure_ascii=False).encode


def _list(value: Sequence[Any]) -> bytes:
    return _text(_ENCODE(list(value))) if value else b"[]"


def _object(value: Mapping[str, Any]) -> bytes:
    return _text(_ENCODE(dict(value)))


_ENCODERS: dict[str, dict[type, Encoder]] = {
    "text": {str: _text, bytes: bytes, int: _number, float: _number},
    "number": {int: _number, float: _number},
    "bool": {bool: lambda value: b"1" if value else b"0"},
    "json": {Sequence: _list, Mapping: _object},
}


def decoder_of(shape: Shape, hint: Any) -> Decoder:
    """Compare the answer of a step with what its function returns, and return how to read it.

    An empty text where there may be none is none; bytes are left as they are.

    Raises:
        SeamError: they differ in their shapes or in the names of their columns.
    """
    base, is_optional = _plain(hint)
    if shape is None:
        if base is not type(None):
            raise SeamError(f"the Lua answers nothing; the Python {hint}")
        return lambda _answer: None
    if shape.is_optional and not is_optional and isinstance(shape, Columns):
        raise SeamError(f"the Lua may answer nothing; the Python always {hint}")
    read = _reader(shape, base)
    if is_optional and base is not bytes and not isinstance(shape, Columns | Many):
        return lambda answer: None if answer in (None, b"") else read(answer)
    return (lambda answer: None if answer is None else read(answer)) if is_optional else read


def _reader(shape: Shape, base: Any) -> Decoder:
    if isinstance(shape, Columns):
        return _record(shape, base)
    origin, parts = get_origin(base) or base, get_args(base)
    if isinstance(shape, Many):
        if origin is dict:
            return _pairs(decoder_of(shape.item, parts[0]), decoder_of(shape.item, parts[1]))
        if origin not in (list, tuple):
            raise SeamError(f"the Lua answers a list; the Python {base}")
        item = decoder_of(shape.item, parts[0])
        return lambda answer: origin([item(each) for each in answer])
    if base in _DECODERS:
        return _DECODERS[base]
    if isinstance(base, type) and issubclass(base, StrEnum):
        return lambda answer: base(answer.decode())
    raise SeamError(f"the Lua answers one value; the Python {base}")


def _pairs(key: Decoder, value: Decoder) -> Decoder:
    return lambda flat: {key(flat[at]): value(flat[at + 1]) for at in range(0, len(flat), 2)}


def _record(shape: Columns, base: Any) -> Decoder:
    hints = get_type_hints(base) if isinstance(base, type) else {}
    if set(hints) != set(shape.names):
        lua, python = ", ".join(shape.names), ", ".join(hints) or "no fields"
        raise SeamError(f"the Lua answers {lua}; {base} has {python}")
    columns = dict(shape.fields)
    plan = [
        (name, shape.names.index(name), decoder_of(columns[name], hint))
        for name, hint in hints.items()
    ]

    size = len(shape.names)
    make = base._make if hasattr(base, "_make") else lambda values: base(*values)

    def read(answer: list[Any]) -> Any:
        if len(answer) < size:
            answer = [*answer, None]
        try:
            return make([decode(answer[at]) for _, at, decode in plan])
        except (AttributeError, TypeError, ValueError, IndexError):
            _blame(answer, plan, base)
            raise

    return read


def _blame(answer: Sequence[Any], plan: Sequence[tuple[str, int, Decoder]], base: Any) -> None:
    """Raise an error that names the column that could not be read, where it was a column."""
    for name, at, decode in plan:
        try:
            decode(answer[at])
        except (AttributeError, TypeError, ValueError, IndexError) as error:
            raise SeamError(f"{base.__name__}.{name} cannot be read from an answer") from error


def _plain(hint: Any) -> tuple[Any, bool]:
    """Return a type without its `| None` and without the names that it was given."""
    is_optional = False
    if get_origin(hint) in (Union, types.UnionType):
        parts = [part for part in get_args(hint) if part is not type(None)]
        is_optional = len(parts) < len(get_args(hint))
        hint = parts[0] if is_optional and len(parts) == 1 else hint
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    return hint, is_optional


_DECODERS: dict[Any, Decoder] = {
    str: lambda answer: answer.decode(),
    bytes: lambda answer: answer,
    int: int,
    float: float,
    bool: lambda answer: answer in (1, b"1"),
}
