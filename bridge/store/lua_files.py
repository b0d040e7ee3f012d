"""Reads the .lua files and puts each atomic step together from the functions that it needs.

A file is one Lua module in the usual form: `local name = {}`, functions `name.verb`, `return name`.
It names the modules it uses (`local clock = require 'clock'`) and nothing else is in sight: a
function takes what it needs as arguments. `keys` is the one module without a file: a function for
each family of `bridge.store.keys`.

A function is a step where the comment above it declares one:

    -- step events.extend(event_id, token, seconds: number) -> {outcome, status?}

Arguments are texts unless declared as `number`, `bool`, `json`, or a table of several `{id, hook}`.
An answer is `nothing`, `text`, `int` or `bool`, a list `[text]`, a table `{outcome, event?:
events.row}`, or what a function returns that `-- row` or `-- table` declares: the one lists its
values in that order, the other has them by name. `?` marks what may be missing.
What is declared and what is written are compared here, as the bridge is imported.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bridge.store.keys import KEYS, WAKE

FOLDER = Path(__file__).parent / "lua"
_STRING_OR_COMMENT = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|--.*""")
_REFERENCE = re.compile(r"(?<![\w.:])([a-z]\w*)\.(\w+)")
_REQUIRE = re.compile(r"local (\w+) = require '(\w+)'")
_FUNCTION = re.compile(r"function (\w+)\.(\w+)\(([\w,. ]*)\)")
_CONSTANT = re.compile(r"(\w+)\.(\w+) = ")
_DECLARED = re.compile(r"(step|row|table) (\w+\.\w+)(\(.*\)) -> (.+)")
FAMILIES = {key.name: key for key in (*KEYS, WAKE)}


class LuaFileError(Exception):
    """A .lua file says something that does not hold; names file and line."""


@dataclass(frozen=True)
class Line:
    """One line of Lua, and where it stands: the path from the project's root and the number."""

    text: str
    path: str
    number: int

    @property
    def place(self) -> str:
        """Where the line stands, as editors and terminals open it."""
        return f"{self.path}:{self.number}"

    @cached_property
    def code(self) -> str:
        """The line without its comments and with its strings emptied."""
        return _STRING_OR_COMMENT.sub(lambda found: "" if found[0][0] == "-" else "''", self.text)

    def fault(self, said: str) -> LuaFileError:
        """Describe what is wrong here."""
        return LuaFileError(f"{self.place}: {said}")


@dataclass(frozen=True)
class Unit:
    """One function or constant of a module; `parameters` is None for a constant."""

    module: str
    name: str
    lines: tuple[Line, ...]
    doc: str
    parameters: tuple[str, ...] | None

    @property
    def full_name(self) -> str:
        """The name by which others use it."""
        return f"{self.module}.{self.name}"

    @cached_property
    def code(self) -> tuple[Line, ...]:
        """Its lines without the comments and the empty ones."""
        return tuple(line for line in self.lines if line.code.strip())

    @cached_property
    def references(self) -> tuple[tuple[str, str, Line], ...]:
        """Every `name.member` that it uses, and where."""
        return tuple(
            (module, name, line)
            for line in self.code
            for module, name in _REFERENCE.findall(line.code)
        )

    def declaration(self) -> re.Match[str] | None:
        """Find what the comment above it declares: a step or a row."""
        return _DECLARED.search(self.doc)


@dataclass
class Module:
    """One .lua file."""

    name: str
    doc: str = ""
    requires: dict[str, Line] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)


def read_folder(folder: Path = FOLDER) -> dict[str, Module]:
    """Read every module of a folder, checked.

    Raises:
        LuaFileError: one of them uses what there is not, or is not written as modules are.
    """
    root = folder.parents[2]
    return read_modules(
        {path.relative_to(root).as_posix(): path.read_text() for path in folder.glob("*.lua")}
    )


def read_modules(texts: Mapping[str, str]) -> dict[str, Module]:
    """Read modules from their texts by path, checked as in `read_folder`."""
    modules = [_Reader(path, text).read() for path, text in sorted(texts.items())]
    by_name = {module.name: module for module in modules}
    for module in modules:
        _check_uses(module, by_name)
    _in_order(by_name)
    return by_name


class _Reader:
    """Reads one file from top to bottom."""

    def __init__(self, path: str, text: str) -> None:
        self._lines = [Line(row, path, n) for n, row in enumerate(text.splitlines(), 1)]
        self._at = 0
        self._module = Module(Path(path).stem)

    def read(self) -> Module:
        """Read the module."""
        module = self._module
        module.doc = self._comment()
        if not module.doc:
            raise self._lines[0].fault("a module begins with a comment that says what it is for")
        while self._at < len(self._lines):
            self._read_next()
        return module

    def _comment(self) -> str:
        rows = []
        while self._at < len(self._lines) and self._lines[self._at].text.startswith("--"):
            rows.append(self._lines[self._at].text[2:].strip())
            self._at += 1
        return " ".join(rows)

    def _read_next(self) -> None:
        doc = self._comment()
        line = self._lines[self._at]
        if found := _REQUIRE.fullmatch(line.text):
            if found[1] != found[2]:
                raise line.fault(f"call it by its own name, {found[2]}")
            self._module.requires[found[1]] = line
        elif found := _FUNCTION.match(line.text):
            parameters = tuple(re.findall(r"\w+", found[3]))
            self._add(doc, line, found, _block(self._lines[self._at :], "end"), parameters)
            return
        elif found := _CONSTANT.match(line.text):
            self._add(doc, line, found, _block(self._lines[self._at :], "}"), None)
            return
        elif line.text not in (
            "",
            f"local {self._module.name} = {{}}",
            f"return {self._module.name}",
        ):
            raise line.fault("a module holds functions and constants of its own, and nothing else")
        self._at += 1

    def _add(
        self,
        doc: str,
        line: Line,
        found: re.Match[str],
        lines: tuple[Line, ...],
        parameters: tuple[str, ...] | None,
    ) -> None:
        module = self._module
        if found[1] != module.name:
            raise line.fault(f"{found[1]} is not this module")
        if not doc:
            raise line.fault(f"{found[1]}.{found[2]} has no comment that says what it is for")
        if found[2] in module.units:
            raise line.fault(f"{found[1]}.{found[2]} is there already")
        module.units[found[2]] = Unit(module.name, found[2], lines, doc, parameters)
        self._at += len(lines)


def _block(lines: list[Line], closer: str) -> tuple[Line, ...]:
    """Return the lines of what begins with the first one: it alone, or up to what closes it."""
    following = lines[1:2]
    if not following or not following[0].text.startswith(" "):
        return (lines[0],)
    for number, line in enumerate(lines[1:], 1):
        if line.text == closer:
            return tuple(lines[: number + 1])
    raise lines[0].fault(f"nothing closes this: a line `{closer}`")


def _check_uses(module: Module, modules: Mapping[str, Module]) -> None:
    known = modules.keys() | {"keys"}
    for name, line in module.requires.items():
        if name not in known:
            raise line.fault(f"there is no module {name}")
    used = {module.name}
    for unit in module.units.values():
        for name, member, line in unit.references:
            if name not in known:
                continue
            used.add(name)
            if name != module.name and name not in module.requires:
                raise line.fault(f"{name} is used and not required")
            _check_member(name, member, line, modules)
    if unused := sorted(module.requires.keys() - used):
        raise module.requires[unused[0]].fault(f"{unused[0]} is required and not used")


def _check_member(name: str, member: str, line: Line, modules: Mapping[str, Module]) -> None:
    if name == "keys" and member not in FAMILIES:
        raise line.fault(f"there is no family of keys {member}")
    if name != "keys" and member not in modules[name].units:
        raise line.fault(f"there is no {name}.{member}")


def reach(modules: Mapping[str, Module], *first: Unit) -> list[Unit]:
    """Find all that some units need, each module behind those that it requires."""
    found = {unit.full_name: unit for unit in first}
    ahead = [*first]
    while ahead:
        for name, member, _ in ahead.pop().references:
            unit = modules[name].units.get(member) if name in modules else None
            if unit and unit.full_name not in found:
                found[unit.full_name] = unit
                ahead.append(unit)
    order = {name: place for place, name in enumerate(_in_order(modules))}
    return sorted(found.values(), key=lambda unit: (order[unit.module], unit.lines[0].number))


def _in_order(modules: Mapping[str, Module]) -> Iterable[str]:
    """Name the modules, each behind those that it requires."""
    done: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " and ".join(path[path.index(name) :])
            raise modules[path[-1]].requires[name].fault(f"{circle} require each other")
        if name in modules and name not in done:
            for needed in modules[name].requires:
                visit(needed, (*path, name))
            done[name] = None

    for name in sorted(modules):
        visit(name, ())
    return done
