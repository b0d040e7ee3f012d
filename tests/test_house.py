"""The house stays small: short files, short functions, and no growing list of exceptions."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bridge.store.assembly import scripts

ROOT = Path(__file__).parent.parent
FILE_LINES = 400
FUNCTION_LINES = 40
VAGUE_VERBS = ("Give", "Tell", "Say", "Note", "Spell")

OVERSIZED: frozenset[str] = frozenset()
"""What is too long and may stay so for now, as `file` or `file:function`; it may only shrink."""

LUA_FILE_LINES = 250
LUA_STEP_LINES = 120
GUARD_LINES = 2
"""How every step begins, by itself: with a look at the layout of the store, in two lines."""

OVERSIZED_STEPS = {
    "claims.take": 185,
    "intake.accept": 208,
    "waiters.match": 157,
}
"""Steps that run more lines of Lua than that, comments not counted; it may only shrink."""


def test_files_and_functions_fit_on_a_screen_or_are_named_here() -> None:
    assert set(oversized()) == OVERSIZED


def test_a_class_name_has_one_meaning_in_the_whole_tree() -> None:
    names = Counter(
        node.name
        for text in sources().values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
    )
    assert {name for name, times in names.items() if times > 1} == set()


def test_no_docstring_begins_with_a_verb_that_says_nothing_of_what_is_returned() -> None:
    found = [
        f"{name}: {line.strip()}"
        for name, text in sources().items()
        for line in text.splitlines()
        if line.strip().startswith(tuple(f'"""{verb} ' for verb in VAGUE_VERBS))
    ]
    assert found == []


def sources() -> dict[str, str]:
    """Return the text of each file of the product, by its path."""
    files = sorted([*ROOT.glob("bridge/**/*.py"), *ROOT.glob("workers/**/*.py")])
    return {file.relative_to(ROOT).as_posix(): file.read_text() for file in files}


def oversized() -> Iterator[str]:
    for name, text in sources().items():
        if text.count("\n") > FILE_LINES:
            yield name
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and length(node) > FUNCTION_LINES
            ):
                yield f"{name}:{node.name}"


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_files_and_functions_of_lua_fit_on_a_screen() -> None:
    units = [unit for module in scripts().modules.values() for unit in module.units.values()]
    files = {
        path.name: path.read_text().count("\n") for path in ROOT.glob("bridge/store/lua/*.lua")
    }

    assert [u.full_name for u in units if len(u.lines) > FUNCTION_LINES] == []
    assert [name for name, lines in files.items() if lines > LUA_FILE_LINES] == []


def test_steps_fit_on_three_screens_or_are_named_here() -> None:
    sizes = {name: len(scripts().find(name).written) - GUARD_LINES for name in scripts().names()}
    large = {name: lines for name, lines in sizes.items() if lines > LUA_STEP_LINES}

    assert large.keys() == OVERSIZED_STEPS.keys()
    assert [name for name, lines in large.items() if lines > OVERSIZED_STEPS[name]] == []


def test_all_lua_is_part_of_a_step() -> None:
    used = {line.place for name in scripts().names() for line in scripts().find(name).written}
    units = [unit for module in scripts().modules.values() for unit in module.units.values()]

    assert [unit.full_name for unit in units if unit.code[0].place not in used] == []
