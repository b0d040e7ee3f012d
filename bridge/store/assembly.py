"""Puts a step together: the Lua that Redis runs, and the place in a file of each of its lines."""

import hashlib
import itertools
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
from bridge.store.layout import NOW, guard
from bridge.store.lua_files import FAMILIES, Line, Module, Unit, reach, read_folder

_KEY = re.compile(r"\bkeys\.(\w+)\(")
_REFERENCE_OR_STRING = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|(?<![\w.:])[a-z]\w*\.\w+"""
)
_DEFINITION = re.compile(r"^function (\w+\.\w+)\(")
_STRING_OR_COMMENT = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|--.*""")
_COMMAND = re.compile(r"redis\.p?call\(\s*'(\w+)'")
_FIELD = re.compile(r"(?<![\w.])(\w+)\.(\w+)")


@dataclass(frozen=True, eq=False)
class Script:
    """One atomic step as Redis runs it; `lines` says where each line of `text` was written."""

    name: str
    declared: Declaration
    lines: tuple[Line, ...]
    text: str
    sha: str
    only_reads: bool

    def place_of(self, number: int) -> str:
        """Return the file and line that became a line of the step, counted from 1."""
        return self.lines[number - 1].place if 0 < number <= len(self.lines) else self.name

    @property
    def written(self) -> tuple[Line, ...]:
        """The lines that somebody wrote, and not this program."""
        return tuple(line for line in self.lines if line.number)


TABLE = "_m"

READS = (
    "EXISTS GET GETRANGE HEXISTS HGET HGETALL HKEYS HLEN HMGET HVALS INFO LINDEX LLEN LRANGE MGET "
    "PEXPIRETIME PTTL SCARD SISMEMBER SMEMBERS STRLEN TIME TTL TYPE XLEN XRANGE XREVRANGE ZCARD "
    "ZCOUNT ZRANGE ZRANGEBYSCORE ZRANK ZREM ZREVRANGE ZREVRANGEBYSCORE ZSCORE"
)
"""The commands of steps that promise nothing: such a step at most drops from a list what is gone by
itself (ZREM)."""

OWED = {"clock.next_order": "clock.write_order", "counters.add": "counters.write"}
"""What writes, once behind all runs of a step, what they have gathered by the other function."""


@cache
def scripts() -> "Scripts":
    """Return the steps of the bridge, read once."""
    return Scripts(read_folder())


class Scripts:
    """Every step that some modules declare."""

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self.modules = modules
        self._first = [self._unit(NOW)] if NOW.partition(".")[0] in modules else []

    def find(self, name: str) -> Script:
        """Put one step together.

        Raises:
            LuaFileError: there is no such step, or its declaration is not what is written.
        """
        unit = self._unit(name)
        declared = declaration_of(unit, self.modules)
        used = {each.full_name for each in reach(self.modules, unit)}
        owed = [self._unit(writer) for gatherer, writer in OWED.items() if gatherer in used]
        units = reach(self.modules, unit, *self._first, *owed)
        _check_tables(unit, declared, units)
        lines = tuple(_assembled(unit, declared, units, owed))
        text = "\n".join(line.text.strip() for line in lines)
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        only_reads = {found.upper() for found in _COMMAND.findall(text)} <= set(READS.split())
        return Script(name, declared, lines, text, sha, only_reads)

    def _unit(self, name: str) -> Unit:
        module, _, member = name.partition(".")
        return self.modules[module].units[member]

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


def _assembled(
    step: Unit, declared: Declaration, units: list[Unit], owed: list[Unit]
) -> Iterator[Line]:
    """Make the lines of a step.

    All its functions and constants stand in one list, by number. Redis makes them anew each time
    that the step runs: a table by name would be four times as large, and each local that a function
    knows of would be looked for as it is made.
    """
    place_of = {unit.full_name: f"{TABLE}[{n}]" for n, unit in enumerate(units, 1)}
    # The list is as long as it will be from the start, so that nothing is moved as it fills.
    yield from _made([f"local {TABLE} = {{{', '.join('0' for _ in units)}}}"])
    for unit in units:
        yield from (replace(line, text=_with_places(line, place_of)) for line in unit.code)
    if NOW in place_of:
        yield from _made([guard(place_of[NOW])])
    writers = [place_of[each.full_name] for each in owed]
    yield from _made(_call(place_of[step.full_name], declared, writers))


def _with_places(line: Line, place_of: Mapping[str, str]) -> str:
    """Format a line of a module with the places of what it uses of modules."""

    def placed(found: re.Match[str]) -> str:
        return place_of.get(found[0], found[0])

    text = _DEFINITION.sub(r"\1 = function(", _with_keys(line))
    return _REFERENCE_OR_STRING.sub(placed, text)


def _with_keys(line: Line) -> str:
    """Format a line with the keys spelled out: a function for each would be made at each run."""
    text = line.text
    while found := _KEY.search(_masked(text)):
        arguments, end = _arguments(line, text, found.end())
        key = FAMILIES[found[1]]
        if len(arguments) != len(key.parts):
            raise line.fault(f"keys.{key.name} takes {', '.join(key.parts) or 'nothing'}")
        text = text[: found.start()] + key.lua(arguments) + text[end:]
    return text


def _masked(text: str) -> str:
    """Blank out what stands in strings, and comments, at the same length."""
    return _STRING_OR_COMMENT.sub(lambda found: "'" + "_" * (len(found[0]) - 2) + "'", text)


def _arguments(line: Line, text: str, start: int) -> tuple[list[str], int]:
    """Take the arguments of a call apart, behind its parenthesis, and find where it ends."""
    found, depth, begin = list[str](), 0, start
    for at, character in enumerate(_masked(text)[start:], start):
        if depth == 0 and character in ",)" and text[begin:at].strip():
            found.append(text[begin:at].strip())
            begin = at + 1
        if depth == 0 and character == ")":
            return found, at + 1
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(character, 0)
    raise line.fault("a key is spelled on one line")


def _made(rows: list[str]) -> Iterator[Line]:
    return (Line(row, "made by bridge/store/assembly.py", 0) for row in rows)


def _call(function: str, declared: Declaration, writers: list[str]) -> list[str]:
    """Format the lines that read the arguments, take the step and lay out its answer.

    Arguments of several runs may come at once: they are made one behind the other, and one that
    fails fails alone. Then the answer is the list of theirs. What writes for all of them comes
    last, also behind a run that failed, for what that has written stays.
    """
    numbers = itertools.count(1)
    arguments = ", ".join(_argument(each, numbers) for each in declared.parameters)
    size = next(numbers) - 1
    packers: list[str] = []
    laid_out = _laid_out(declared.answer, "answer", packers)
    call = f"{function}({arguments})"
    body = (
        [f"return {call}"]
        if laid_out == "answer"
        else [f"local answer = {call}", f"return {laid_out}"]
    )
    if not size and not writers:
        return [*packers, *body]
    return [
        *packers,
        "local function run(n)",
        *body,
        "end",
        *([] if writers else [f"if #ARGV == {size} then return run(0) end"]),
        *_EACH_RUN.format(size or 1).split("\n"),
        # Where Redis denies them this, it has denied the runs all that they began with.
        *(f"pcall({writer})" for writer in writers),
        f"return #ARGV > {size} and answers or answers[1]",
    ]


# An error of a command begins with its code; Valkey 9 hands it on as a text, as Lua does its own.
_EACH_RUN = """\
local answers = {{}}
for n = 0, math.max(#ARGV, 1) - 1, {0} do
local is_well, answer = pcall(run, n)
if not is_well and type(answer) ~= 'table' then
answer = {{err = answer:find('^%u+ ') and answer or 'ERR ' .. answer}}
end
answers[#answers + 1] = answer or false
end"""


def _argument(parameter: Parameter, numbers: Iterator[int]) -> str:
    if parameter.kind == "table":
        fields = ", ".join(f"{each.name} = {_argument(each, numbers)}" for each in parameter.fields)
        return f"{{{fields}}}"
    argument = f"ARGV[n + {next(numbers)}]"
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
            values = [_laid_out(each, f"t.{field}", packers) for field, each in fields]
            # What is missing at the end is left out, for each value costs the client's parser.
            spelled = [f"{value} or false" for value in values[:-1]] + values[-1:]
            packer = f"pack_{len(packers) + 1}"
            packers.append(f"local function {packer}(t) return {{{', '.join(spelled)}}} end")
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
