"""What keeps a text from being YAML, for people who have never read its grammar."""

import re
from collections.abc import Callable
from typing import NamedTuple

import yaml


class _Known(NamedTuple):
    """What is said of errors whose context and problem begin so.

    `is_where_it_began` has the place shown at which what is wrong began, not where that was seen.
    """

    context: str
    problem: str
    say: Callable[[str], str]
    is_where_it_began: bool = False


def _always(said: str) -> Callable[[str], str]:
    return lambda _problem: said


def _quoted(problem: str) -> str:
    """Return the first word of a problem that stands in quotes."""
    found = re.search(r"'(.+?)'", problem)
    return found[1] if found else "this"


def _of_flow(problem: str) -> str:
    closing = "}" if "'}'" in problem else "]"
    match _quoted(problem.rpartition("got")[2]):
        case "<stream end>":
            return f"the bracket that opens here is never closed: add the {closing}"
        case "{":
            return 'within { } and [ ] a text with braces must be in quotes, as in "${NAME}"'
        case ":":
            return (
                "a colon with a blank behind it makes a key: quote the text that it stands in, and "
                "write env:NAME without a blank"
            )
    return f"a comma or the closing {closing} is expected: quote a text that holds , : or brackets"


_BEGINS = "a text may not begin with {}: put it in quotes"
_INDENTED = (
    "this fits nothing before it: indent it as far as what it belongs to, and double a quote that "
    "stands in a quoted text"
)
_NEVER_ENDS = "the quote that opens here is never closed"

_KNOWN = (
    _Known(
        "",
        "found character '\\t'",
        _always("a tab stands here, where YAML takes blanks alone: put blanks in its place"),
    ),
    _Known("", "found character", lambda problem: _BEGINS.format(_quoted(problem))),
    _Known(
        "",
        "mapping values are not allowed here",
        _always(
            "a colon with a blank behind it makes a key, and none can stand here: put the text in "
            "quotes, or mend how far the line is indented"
        ),
    ),
    _Known(
        "while scanning a simple key",
        "could not find expected ':'",
        _always("this is no `key: value`: put a colon and a blank behind the key"),
        is_where_it_began=True,
    ),
    _Known("while parsing a flow", "expected ',' or", _of_flow),
    _Known(
        "while parsing a",
        "expected the node content",
        _always("a value is expected here: close brackets in their order, or quote the text"),
    ),
    _Known("while parsing a block", "expected <block end>", _always(_INDENTED)),
    _Known("", "expected <block end>", _always(_INDENTED)),
    _Known(
        "while scanning a quoted scalar",
        "found unexpected",
        _always(_NEVER_ENDS),
        is_where_it_began=True,
    ),
    _Known(
        "while scanning a double-quoted scalar",
        "found unknown escape character",
        lambda problem: (
            f"\\{_quoted(problem)} means nothing in double quotes: double the backslash, or use "
            "single quotes"
        ),
    ),
    _Known("while scanning an alias", "expected", _always(_BEGINS.format("*")), True),
    _Known("while scanning an anchor", "expected", _always(_BEGINS.format("&")), True),
    _Known(
        "",
        "found undefined alias",
        lambda problem: (
            f"*{_quoted(problem)} repeats what no &{_quoted(problem)} before it names: mend the "
            "name, or put the text in quotes"
        ),
    ),
    _Known(
        "found duplicate anchor",
        "",
        _always("the name behind & was given before: choose another, for *name would mean either"),
    ),
    _Known(
        "expected a single document",
        "",
        _always("a second document begins here, and a file holds one: make two files of it"),
    ),
    _Known(
        "",
        "sequence entries are not allowed here",
        _always("a list begins in a line of its own: break the line, or put the text in quotes"),
    ),
)


def said_of(error: yaml.MarkedYAMLError) -> tuple[yaml.Mark | None, str]:
    """Return where something is wrong, and how to mend it; of what is rare, the parser's words."""
    context, problem = error.context or "", error.problem or ""
    for known in _KNOWN:
        if context.startswith(known.context) and problem.startswith(known.problem):
            began = error.context_mark if known.is_where_it_began else None
            if problem.endswith("'<stream end>'"):
                began = error.context_mark
            return began or error.problem_mark, known.say(problem)
    return error.problem_mark, ", ".join(part for part in (context, problem) if part)
