"""Files cut where a reader would: at functions, classes and headings."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

LINES_MAX = 80
HEADING = re.compile(r"#{1,6}\s+(.+)")
FENCE = re.compile(r"\s*(```|~~~)")
DECLARATION = re.compile(
    r"(?:(?:export|default|public|private|protected|static|final|abstract|async|pub(?:\(\w+\))?|"
    r"unsafe|extern)\s+)*"
    r"(?:function\*?|class|interface|struct|enum|trait|impl|fn|func|def|module|type|const|let)\s+"
    r"(?:\([^)]*\)\s*)?([\w$.:]+)"
)
"""What opens a declaration at the start of a line, in languages that are not parsed here."""

Start = tuple[int, str]


@dataclass(frozen=True)
class Chunk:
    """Lines of a file, counted from 1; `symbol` is what they declare, if anything."""

    first_line: int
    last_line: int
    symbol: str
    text: str


def chunks_of(path: str, text: str) -> list[Chunk]:
    """Cut a file into chunks of at most eighty lines, none of them blank."""
    lines = lines_of(text)
    starts = [(1, ""), *_starts(path, text, lines), (len(lines) + 1, "")]
    found = []
    for (first, symbol), (following, _) in pairwise(starts):
        for begin, end in _spans(lines, first, following):
            cut = "\n".join(lines[begin - 1 : end - 1])
            if cut.strip():
                found.append(Chunk(begin, end - 1, symbol, cut))
    return found


def lines_of(text: str) -> list[str]:
    """Return the lines of a file as editors count them."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def _starts(path: str, text: str, lines: list[str]) -> list[Start]:
    """Return the lines where something begins, in their order, each with its name."""
    if path.endswith((".md", ".markdown")):
        return list(_headings(lines))
    if path.endswith(".py"):
        try:
            return sorted(_definitions(ast.parse(text), ""))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    found = ((at, DECLARATION.match(line)) for at, line in enumerate(lines, start=1))
    return [(at, match[1]) for at, match in found if match]


def _headings(lines: list[str]) -> Iterator[Start]:
    is_code = False
    for at, line in enumerate(lines, start=1):
        is_code ^= bool(FENCE.match(line))
        if not is_code and (match := HEADING.match(line)):
            yield at, match[1]


def _definitions(node: ast.Module | ast.ClassDef, within: str) -> Iterator[Start]:
    """Return where functions, classes and methods begin, decorators included, and end."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{within}{each.name}"
            yield min(d.lineno for d in (each, *each.decorator_list)), name
            if isinstance(each, ast.ClassDef):
                yield from _definitions(each, f"{name}.")
            yield (each.end_lineno or each.lineno) + 1, within.rstrip(".")


def _spans(lines: list[str], first: int, following: int) -> Iterator[tuple[int, int]]:
    """Cut a span that is too long at its last blank line that fits, else where it must."""
    while following - first > LINES_MAX:
        fits = range(first + LINES_MAX, first + LINES_MAX // 2, -1)
        cut = next((at for at in fits if not lines[at - 1].strip()), first + LINES_MAX)
        yield first, cut
        first = cut
    yield first, following
