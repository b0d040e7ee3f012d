"""What a step says of itself: its arguments, and the shape of its answer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.store.lua_files import LuaFileError, Module, Unit

_TOKEN = re.compile(r"\w+\.\w+|\w+|[{}()\[\],:?]")
_TEXTS = re.compile(r"'(\w+)'")


@dataclass(frozen=True)
class Parameter:
    """One argument: a `text`, `number`, `bool` or `json`, or a `table` of those in `fields`."""

    name: str
    kind: str
    fields: tuple["Parameter", ...] = ()


@dataclass(frozen=True)
class Value:
    """A text, a number or a truth; `is_optional` says that there may be none."""

    is_optional: bool = False


@dataclass(frozen=True)
class Many:
    """A list, each of its items of one shape."""

    item: "Shape"
    is_optional: bool = False


@dataclass(frozen=True)
class Columns:
    """Values that have names, each at the place that its name has here.

    `is_row`: Lua returns them in this order already, and not as a table by name.
    """

    fields: tuple[tuple[str, "Shape"], ...]
    is_row: bool
    is_optional: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(name for name, _ in self.fields)


Shape = Value | Many | Columns | None
"""The shape of an answer; None where there is none."""


@dataclass(frozen=True)
class Declaration:
    """What stands in the comment above a step."""

    parameters: tuple[Parameter, ...]
    answer: Shape


def declaration_of(unit: Unit, modules: Mapping[str, Module]) -> Declaration:
    """Read what a step, a row or a table declares, and compare it with its code.

    Raises:
        LuaFileError: it declares nothing, or something else than what is written.
    """
    found = unit.declaration()
    if found is None or unit.parameters is None:
        raise unit.lines[0].fault(f"{unit.full_name} is no step: its comment declares none")
    kind, name, arguments, answer = found.groups()
    if name != unit.full_name:
        raise unit.lines[0].fault(f"the comment declares {name}")
    parser = _Parser(unit, modules)
    parameters = parser.parameters(arguments)
    if tuple(each.name for each in parameters) != unit.parameters:
        raise unit.lines[0].fault(f"the comment declares other arguments: {arguments}")
    return Declaration(parameters, parser.answer(answer, is_row=kind == "row"))


class _Parser:
    def __init__(self, unit: Unit, modules: Mapping[str, Module]) -> None:
        self._unit = unit
        self._modules = modules
        self._tokens: list[str] = []

    def parameters(self, text: str) -> tuple[Parameter, ...]:
        self._tokens = _TOKEN.findall(text)
        self._take("(")
        return self._parameters_up_to(")")

    def answer(self, text: str, *, is_row: bool) -> Shape:
        self._tokens = _TOKEN.findall(text)
        shape = None if self._tokens == ["nothing"] else self._shape(is_row=is_row)
        if shape is not None and self._tokens:
            raise self._fault(f"an answer ends before {self._tokens[0]!r}")
        return shape

    def _parameters_up_to(self, closer: str) -> tuple[Parameter, ...]:
        found = []
        while not self._skip(closer):
            name, kind, fields = self._next(), "text", tuple[Parameter, ...]()
            if self._skip(":"):
                kind = self._next()
            if kind == "{":
                kind, fields = "table", self._parameters_up_to("}")
            if kind not in ("text", "number", "bool", "json", "table"):
                raise self._fault(f"{kind} is no kind of argument")
            found.append(Parameter(name, kind, fields))
            self._skip(",")
        return tuple(found)

    def _shape(self, *, is_row: bool = False) -> Shape:
        shape: Shape
        word = self._next()
        if word == "[":
            item = self._shape()
            self._take("]")
            shape = Many(item, self._skip("?"))
        elif word == "{":
            fields = self._fields()
            shape = Columns(fields, is_row, self._skip("?"))
        elif "." in word:
            named = self._columns(word)
            shape = Columns(named.fields, named.is_row, is_optional=self._skip("?"))
        elif word in ("text", "int", "bool"):
            shape = Value(self._skip("?"))
        else:
            raise self._fault(f"{word} is no shape of an answer")
        return shape

    def _fields(self) -> tuple[tuple[str, Shape], ...]:
        found: list[tuple[str, Shape]] = []
        while not self._skip("}"):
            name = self._next()
            if "." in name:
                found += [(each, Value(is_optional=True)) for each in self._constant(name)]
            else:
                is_optional = self._skip("?")
                shape = self._shape() if self._skip(":") else Value(is_optional)
                found.append((name, _optional(shape) if is_optional else shape))
            self._skip(",")
        return tuple(found)

    def _columns(self, name: str) -> Columns:
        answer = declaration_of(self._find(name), self._modules).answer
        if not isinstance(answer, Columns):
            raise self._fault(f"{name} has no columns")
        return answer

    def _constant(self, name: str) -> list[str]:
        return _TEXTS.findall("\n".join(line.text for line in self._find(name).lines))

    def _find(self, name: str) -> Unit:
        module, _, member = name.partition(".")
        unit = self._modules[module].units.get(member) if module in self._modules else None
        if unit is None:
            raise self._fault(f"there is no {name}")
        return unit

    def _next(self) -> str:
        if not self._tokens:
            raise self._fault("what the comment declares breaks off")
        return self._tokens.pop(0)

    def _skip(self, token: str) -> bool:
        if self._tokens[:1] != [token]:
            return False
        del self._tokens[0]
        return True

    def _take(self, token: str) -> None:
        if not self._skip(token):
            raise self._fault(f"what the comment declares wants a {token!r}")

    def _fault(self, said: str) -> LuaFileError:
        return self._unit.lines[0].fault(said)


def _optional(shape: Shape) -> Shape:
    match shape:
        case Columns(fields, is_row):
            return Columns(fields, is_row, is_optional=True)
        case Many(item):
            return Many(item, is_optional=True)
        case _:
            return Value(is_optional=True)
