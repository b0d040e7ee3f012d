"""What keeps a handler from being served, and where that stands in its source."""

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from typing_extensions import override

Function = Callable[..., Any]

WORDS_CHARS_MAX = 10_000


@dataclass(frozen=True)
class Spot:
    """A place in a source file, counted from 1."""

    path: str
    line: int
    column: int


@dataclass
class HandlerError(Exception):
    """A handler cannot be served: why, and how to mend it, by the id of a rule.

    Where nothing in the source is at fault there is no `spot`, and `sentence` goes on from the name
    of the key in the server file.
    """

    rule: str
    sentence: str
    spot: Spot | None = None

    @override
    def __str__(self) -> str:
        """Return the sentence, after the place that it is about."""
        spot = self.spot
        return f"{spot.path}:{spot.line}: {self.sentence}" if spot else self.sentence


def words_of(error: BaseException) -> str:
    """Return what an exception says of itself, as far as it is told."""
    try:
        return str(error)[:WORDS_CHARS_MAX]
    except Exception:  # noqa: BLE001 - whoever wrote it may have made any mistake
        return "(it cannot be put in words: its __str__ raises)"


@dataclass(frozen=True)
class Source:
    """The source of a function, and its `def`, if both can be found."""

    function: Function
    node: ast.FunctionDef | ast.AsyncFunctionDef | None

    @classmethod
    def of(cls, function: Function) -> "Source":
        """Return the source of a function, of what is within its decorators."""
        function = inspect.unwrap(function, stop=_wraps_no_code)
        code = function.__code__
        try:
            tree = ast.parse(Path(code.co_filename).read_bytes())
        except (OSError, SyntaxError, ValueError):
            return cls(function, None)
        found = (
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name == code.co_name
            and code.co_firstlineno in (node.lineno, *(d.lineno for d in node.decorator_list))
        )
        return cls(function, next(found, None))

    def spot(self, parameter: str = "") -> Spot:
        """Return where a parameter stands, or the function itself."""
        code = self.function.__code__
        at: ast.AST | None = self.node
        if self.node and parameter == "return":
            at = self.node.returns or self.node
        elif self.node and parameter:
            given = self.node.args
            every = (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg)
            at = next((each for each in every if each and each.arg == parameter), self.node)
        line = getattr(at, "lineno", code.co_firstlineno)
        return Spot(code.co_filename, line, getattr(at, "col_offset", 0) + 1)

    def asked_hooks(self, context_name: str | None) -> list[tuple[str, Spot]]:
        """Return the hooks that `elicit` of the function's own context names in plain text."""
        if self.node is None or context_name is None:
            return []
        path = self.function.__code__.co_filename
        return [
            (call.args[0].value, Spot(path, call.args[0].lineno, call.args[0].col_offset + 1))
            for call in ast.walk(self.node)
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "elicit"
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id == context_name
            and call.args
            and isinstance(call.args[0], ast.Constant)
            and isinstance(call.args[0].value, str)
        ]


def demand_plain_async(function: object, named: str, rule: str) -> Function:
    """Return an async function as such.

    Raises:
        HandlerError: it is none.
    """
    if not _is_code(function):
        what = type(function).__name__
        raise HandlerError(rule, f"names no function: {named} is of the type {what}")
    if inspect.iscoroutinefunction(function):
        return function
    said = f"{function.__name__} " + (
        "is a generator: return all at once, and tell how far it is by `ctx.progress`"
        if inspect.isasyncgenfunction(function)
        else "is not async: write `async def`, and what blocks through `await asyncio.to_thread(…)`"
    )
    raise HandlerError(rule, said, Source.of(function).spot())


def _wraps_no_code(function: Any) -> bool:
    return not _is_code(function.__wrapped__)


def _is_code(function: object) -> TypeGuard[Function]:
    return hasattr(function, "__code__")
