"""Handlers by their signature: what they take, what they return, and both as JSON Schema."""

import dataclasses
import inspect
import json
import typing
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError
from typing_extensions import override

from bridge.handlers.context import HandlerContext
from bridge.handlers.faults import Function, HandlerError, Source, demand_plain_async

NOT_ASYNC, UNTYPED = "handler-not-async", "handler-untyped"

FAULTS_NAMED_MAX = 20

_MANY: dict[object, str] = {
    inspect.Parameter.VAR_POSITIONAL: "takes any number of arguments: name each of them",
    inspect.Parameter.VAR_KEYWORD: "takes arguments of any name: name each of them",
    inspect.Parameter.POSITIONAL_ONLY: "can only be given by its position: drop the `/`",
}


class ArgumentsError(Exception):
    """The arguments are not what the handler takes."""


class ResultError(Exception):
    """What a handler returned cannot be told as JSON."""


class _Plain(GenerateJsonSchema):
    """Leaves out what says nothing more.

    These are the titles that pydantic makes of names, which Claude reads anyway, and OpenAPI's
    discriminators, which lead nowhere where definitions are inlined.
    """

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    @override
    def tagged_union_schema(self, schema: Any) -> dict[str, Any]:
        made = super().tagged_union_schema(schema)
        made.pop("discriminator", None)
        return made


@dataclass(frozen=True)
class Handler:
    """An async function that a workflow runs; `context_name` is the parameter of its context."""

    function: Function
    context_name: str | None
    arguments: TypeAdapter[Any]
    result: TypeAdapter[Any] | None

    @classmethod
    def of(cls, function: object, named: str) -> "Handler":
        """Read the signature of a function.

        Raises:
            HandlerError: it is no handler.
        """
        known = demand_plain_async(function, named, NOT_ASYNC)
        source = Source.of(known)
        types = _types_of(known, source)
        context_name, fields = None, []
        for name, parameter in inspect.signature(known).parameters.items():
            if _is_context(types.get(name)):
                if context_name:
                    said = f"{name} is a second Context: {context_name} is all that there is"
                    raise HandlerError(UNTYPED, said, source.spot(name))
                context_name = name
                continue
            fields.append((name, *_field(source, parameter, types)))
        return cls(known, context_name, _adapter_of(fields, source), _result_of(types, source))

    @property
    def description(self) -> str:
        """The docstring of the function."""
        return inspect.getdoc(self.function) or ""

    def input_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of its arguments."""
        schema = self.arguments.json_schema(schema_generator=_Plain)
        schema.pop("title", None)
        return {"type": "object", "additionalProperties": False, **schema}

    def output_schema(self) -> dict[str, Any] | None:
        """Return the JSON Schema of what it returns; None for anything."""
        if self.result is None:
            return None
        schema = self.result.json_schema(mode="serialization", schema_generator=_Plain)
        return schema or None

    def call(self, text: bytes, context: HandlerContext) -> Awaitable[Any]:
        """Call it with arguments that are given as JSON.

        Raises:
            ArgumentsError: naming those that it does not take.
        """
        try:
            given = self.arguments.validate_json(text)
        except ValidationError as error:
            raise ArgumentsError(_said(error)) from None
        named = {field.name: getattr(given, field.name) for field in dataclasses.fields(given)}
        if self.context_name is not None:
            named[self.context_name] = context
        made: Awaitable[Any] = self.function(**named)
        return made

    def dump(self, value: object) -> bytes:
        """Write what it returned as JSON.

        Raises:
            ResultError: it cannot be.
        """
        try:
            adapter = self.result or _ANYTHING
            return adapter.dump_json(value, by_alias=True, warnings="none")
        except PydanticSerializationError as error:
            raise ResultError(str(error)) from error


_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


def _is_context(annotation: object) -> bool:
    """Report whether a parameter gets the context, which it may be declared to do without."""
    is_within = typing.get_origin(annotation) in (typing.Union, UnionType, typing.Annotated)
    parts = typing.get_args(annotation) if is_within else (annotation,)
    return HandlerContext in parts


def _types_of(function: Function, source: Source) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # whatever evaluating an annotation may raise
        said = f"{function.__name__} has an annotation that cannot be read: {error}: mend it"
        raise HandlerError(UNTYPED, said, source.spot()) from error


def _field(
    source: Source, parameter: inspect.Parameter, types: Mapping[str, Any]
) -> tuple[Any, Any]:
    """Return the type of a parameter, and its field."""
    name = parameter.name
    if said := _MANY.get(parameter.kind):
        raise HandlerError(UNTYPED, f"{name} {said}", source.spot(name))
    if name not in types:
        said = (
            f"{name} has no type, so Claude cannot know what it is: write `{name}: str`, say, or "
            f"`{name}: Context` for what the bridge itself gives"
        )
        raise HandlerError(UNTYPED, said, source.spot(name))
    adapter = _demand_schema(types[name], name, source, "validation")
    default = parameter.default
    if default is parameter.empty:
        return types[name], Field()
    field: FieldInfo = default if isinstance(default, FieldInfo) else Field(default=default)
    _demand_default(adapter, field, name, source)
    return types[name], field


def _adapter_of(fields: list[tuple[str, Any, Any]], source: Source) -> TypeAdapter[Any]:
    try:
        made = dataclasses.make_dataclass(
            "Arguments",
            fields,
            kw_only=True,
            namespace={"__pydantic_config__": ConfigDict(extra="forbid")},
        )
        adapter: TypeAdapter[Any] = TypeAdapter(made)
        _demand_json(adapter.json_schema())
    except (PydanticUserError, TypeError, ValueError) as error:
        raise HandlerError(UNTYPED, f"{_first_sentence(error)}: mend it", source.spot()) from error
    return adapter


def _result_of(types: Mapping[str, Any], source: Source) -> TypeAdapter[Any] | None:
    if "return" not in types:
        return None
    return _demand_schema(types["return"], "return", source, "serialization")


def _demand_schema(
    annotation: Any, name: str, source: Source, mode: typing.Literal["validation", "serialization"]
) -> TypeAdapter[Any]:
    """Return what reads and writes values of a type that JSON can hold."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        _demand_json(adapter.json_schema(mode=mode))
    except Exception as error:  # pydantic's own, and whatever a type's hooks for it may raise
        whose = "what it returns" if name == "return" else name
        said = (
            f"{whose} has a type that JSON cannot hold: {_first_sentence(error)}: take one that "
            "pydantic can read and write"
        )
        raise HandlerError(UNTYPED, said, source.spot(name)) from error
    return adapter


def _demand_default(adapter: TypeAdapter[Any], field: FieldInfo, name: str, source: Source) -> None:
    """Refuse a default that Claude is shown and may not give: `pages: int = None`, say."""
    try:
        shown = _ANYTHING.dump_json(field.get_default(call_default_factory=False))
    except PydanticSerializationError:
        return  # nor is it shown
    if shown == b"null" and field.default is not None:  # no number that JSON has
        return
    try:
        adapter.validate_json(shown)
    except ValidationError:
        said = f"{name} has a default that its type does not take: " + (
            f"write `{name}: … | None = None`" if shown == b"null" else "let one be as the other is"
        )
        raise HandlerError(UNTYPED, said, source.spot(name)) from None


def _demand_json(schema: Any) -> None:
    try:
        json.dumps(schema, allow_nan=False)
    except ValueError as error:
        raise ValueError("a default or a bound is no number that JSON has") from error


def _said(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    faults = [
        f"{'/' + '/'.join(map(str, each['loc'])) if each['loc'] else '(whole)'}: {each['msg']}"
        for each in details[:FAULTS_NAMED_MAX]
    ]
    more = ["and more"] if len(details) > FAULTS_NAMED_MAX else []
    return "; ".join(faults + more)


def _first_sentence(error: Exception) -> str:
    words = " ".join(str(error).split()).partition(" For further information ")[0]
    return words.partition(". ")[0].rstrip(".")
