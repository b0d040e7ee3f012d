"""Puts a step together: the Lua that Redis runs, and the place in a file of each of its lines."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from bridge.store.declarations import (
    Columns,
    Declaration,
    Many,
    Parameter,
    Shape,
    declaration_of,
)
from bridge.store.keys import KEYS, WAKE, Key
from bridge.store.layout import NOW, guard
from bridge.store.lua_files import Line, Module, Unit, reach, read_folder

_KEY = re.compile(r"\bkeys\.(\w+)\(")
_REFERENCE_OR_STRING = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|(?<![\w.:])(?P<module>[a-z]\w*)\.\w+"""
)
_FIELD = re.compile(r"(?<![\w.])(\w+)\.(\w+)")


@dataclass(frozen=True, eq=False)
class Script:
    """One atomic step as Redis runs it; `lines` says where each line of `text` was written."""

    name: str
    declared: Declaration
    lines: tuple[Line, ...]
    text: str
    sha: str

    def place_of(self, number: int) -> str:
        """Return the file and line that became a line of the step, counted from 1."""
        return self.lines[number - 1].place if 0 < number <= len(self.lines) else self.name

    @property
    def written(self) -> tuple[Line, ...]:
        """The lines that somebody wrote, and not this program."""
        return tuple(line for line in self.lines if line.number)


TABLE = "_m"


@cache
def scripts() -> "Scripts":
    """Return the steps of the bridge, read once."""
    return Scripts(read_folder())


class Scripts:
    """Every step that some modules declare."""

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self.modules = modules
        module, _, name = NOW.partition(".")
        self._first = [modules[module].units[name]] if module in modules else []

    def find(self, name: str) -> Script:
        """Put one step together.

        Raises:
            LuaFileError: there is no such step, or its declaration is not what is written.
        """
        module, _, member = name.partition(".")
        unit = self.modules[module].units[member]
        declared = declaration_of(unit, self.modules)
        units = reach(self.modules, unit, *self._first)
        _check_tables(unit, declared, units)
        lines = tuple(_assembled(unit, declared, units))
        text = "\n".join(line.text.strip() for line in lines)
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        return Script(name, declared, lines, text, sha)

    def names(self) -> list[str]:
        """Name every step that is declared."""
        units = [unit for module in self.modules.values() for unit in module.units.values()]
        return [
            each.full_name for each in units if (said := each.declaration()) and said[1] == "step"
        ]


def _check_tables(step: Unit, declared: Declaration, units: list[Unit]) -> None:
    """Compare the fields of a step's tables with those that are read of them, by the same name."""
    for parameter in declared.parameters:
        if parameter.kind != "table":
            continue
        known, read = {each.name for each in parameter.fields}, set[str]()
        for unit in units:
            if parameter.name not in (unit.parameters or ()):
                continue
            for line in unit.code:
                for table, name in _FIELD.findall(line.code):
                    if table == parameter.name and name not in known:
                        raise line.fault(f"{step.full_name} gets no {table}.{name}")
                    read |= {name} if table == parameter.name else set()
        if unread := sorted(known - read):
            raise step.lines[0].fault(f"nothing reads {parameter.name}.{unread[0]}")


def _assembled(step: Unit, declared: Declaration, units: list[Unit]) -> Iterator[Line]:
    families = _families(units)
    names = [f"keys_{key.name}" for key in families]
    names += [unit.full_name.replace(".", "_") for unit in units]
    # The table is as large as it will be from the start, so that nothing is moved as it fills.
    yield from _made([f"local {TABLE} = {{{' = 0, '.join(names)} = 0}}"])
    yield from _made([key.lua(TABLE) for key in families])
    known = {name for unit in units for name in (unit.module, "keys")}
    for unit in units:
        yield from (replace(line, text=_with_fields(line, known)) for line in unit.code)
    if any(unit.full_name == NOW for unit in units):
        yield from _made([guard(_field(NOW))])
    yield from _made(_call(step, declared))


def _field(full_name: str) -> str:
    """Format a function or constant of a module as the field that it is in a step.

    All of a step stand in one table. Redis makes its functions anew each time that it runs, and
    each local that a function knows of is looked for then: in the largest step, with a local for
    each function, that was an eighth of the time.
    """
    return f"{TABLE}.{full_name.replace('.', '_')}"


def _with_fields(line: Line, modules: set[str]) -> str:
    """Format a line of a module with fields of the one table for what it uses of modules."""

    def spelled(found: re.Match[str]) -> str:
        if found["module"] is None:
            return found[0]
        return _field(found[0]) if found["module"] in modules else found[0]

    return _REFERENCE_OR_STRING.sub(spelled, line.text)


def _made(rows: list[str]) -> Iterator[Line]:
    return (Line(row, "made by bridge/store/assembly.py", 0) for row in rows)


def _families(units: list[Unit]) -> list[Key]:
    used = {name for unit in units for line in unit.code for name in _KEY.findall(line.code)}
    return [key for key in (*KEYS, WAKE) if key.name in used]


def _call(step: Unit, declared: Declaration) -> list[str]:
    """Format the lines that read the arguments, take the step and lay out its answer."""
    numbers = iter(range(1, 1000))
    arguments = ", ".join(_argument(each, numbers) for each in declared.parameters)
    call = f"{_field(step.full_name)}({arguments})"
    packers: list[str] = []
    laid_out = _laid_out(declared.answer, "answer", packers)
    if laid_out == "answer":
        return [f"return {call}"]
    return [*packers, f"local answer = {call}", f"return {laid_out}"]


def _argument(parameter: Parameter, numbers: Iterator[int]) -> str:
    if parameter.kind == "table":
        fields = ", ".join(f"{each.name} = {_argument(each, numbers)}" for each in parameter.fields)
        return f"{{{fields}}}"
    argument = f"ARGV[{next(numbers)}]"
    match parameter.kind:
        case "number":
            return f"tonumber({argument})"
        case "bool":
            return f"{argument} == '1'"
        case "json":
            return f"cjson.decode({argument})"
        case _:
            return argument


def _laid_out(shape: Shape, name: str, packers: list[str]) -> str:
    """Format a value of Lua as Redis returns it: an array in declared order, false for nothing."""
    match shape:
        case Columns(fields, is_row=False, is_optional=is_optional):
            values = [
                f"{_laid_out(each, f't.{field}', packers)} or false" for field, each in fields
            ]
            packer = f"pack_{len(packers) + 1}"
            packers.append(f"local function {packer}(t) return {{{', '.join(values)}}} end")
            return f"{name} and {packer}({name})" if is_optional else f"{packer}({name})"
        case Many(Columns(is_row=False) as item):
            inner = _laid_out(item, "t", packers)
            packer = f"pack_{len(packers) + 1}"
            packers.append(
                f"local function {packer}(all) local rows = {{}} "
                f"for i, t in ipairs(all) do rows[i] = {inner} end return rows end"
            )
            return f"{packer}({name})"
        case _:
            return name
