"""Handlers with something wrong: the rule that each breaks, where, and what is said of it."""

WRONG = [
    (
        "",
        "handler-missing",
        "s.yaml:{line}:24",
        "workflows.{name}.handler names nothing: there is no f in",
    ),
    (
        "f = 1",
        "handler-not-async",
        "s.yaml:{line}:24",
        "workflows.{name}.handler names no function: {name}:f",
    ),
    (
        "def __getattr__(name):\n    raise ValueError(name)",
        "handler-missing",
        "s.yaml:{line}:24",
        "workflows.{name}.handler names nothing: there is no f in",
    ),
    (
        "import functools\nasync def g(a: int): ...\nf = functools.partial(g, 1)",
        "handler-not-async",
        "s.yaml:{line}:24",
        "workflows.{name}.handler names no function: {name}:f is of the type partial",
    ),
    ("def f(): ...", "handler-not-async", "{name}.py:1:1", "f is not async: write `async def`"),
    (
        "async def f(\n  a): ...",
        "handler-untyped",
        "{name}.py:2:3",
        "a has no type, so Claude cannot",
    ),
    ("async def f(*a: int): ...", "handler-untyped", "{name}.py:1:14", "a takes any number of arg"),
    (
        "async def f(**a: int): ...",
        "handler-untyped",
        "{name}.py:1:15",
        "a takes arguments of any na",
    ),
    (
        "async def f(a: int, /): ...",
        "handler-untyped",
        "{name}.py:1:13",
        "a can only be given by its",
    ),
    (
        "class Odd: ...\nasync def f(a: Odd): ...",
        "handler-untyped",
        "{name}.py:2:13",
        "a has a type that JSON cannot hold",
    ),
    (
        "class Odd: ...\nasync def f() -> Odd: ...",
        "handler-untyped",
        "{name}.py:2:18",
        "what it returns has a type that JSON cannot hold",
    ),
    (
        "async def f(a: 'Nothing'): ...",
        "handler-untyped",
        "{name}.py:1:1",
        "f has an annotation that cannot be read: name 'Nothing' is not defined: mend it",
    ),
    (
        "import nothing_like_it",
        "handler-unimportable",
        "{name}.py:1:1",
        "the module cannot be imported: there is no nothing_like_it: install it where the bridge ",
    ),
    ("\nx = (", "handler-unimportable", "{name}.py:2:5", "this is no Python: '(' was never closed"),
    (
        "def g():\n    raise KeyError('x')\ng()",
        "handler-unimportable",
        "{name}.py:2:5",
        "the module cannot be imported: KeyError: 'x': mend that",
    ),
    (
        "class OddError(BaseException): ...\nraise OddError",
        "handler-unimportable",
        "{name}.py:2:1",
        "the module cannot be imported: OddError: mend that",
    ),
    (
        "async def f(): yield 1",
        "handler-not-async",
        "{name}.py:1:1",
        "f is a generator: return all",
    ),
    (
        "async def f(a: int,\n  b: int = None): ...",
        "handler-untyped",
        "{name}.py:2:3",
        "b has a default that its type does not take: write `b: … | None = None`",
    ),
    (
        "from typing import Literal\nasync def f(a: Literal['x', 'y'] = 'z'): ...",
        "handler-untyped",
        "{name}.py:2:13",
        "a has a default that its type does not take: let one be as the other is",
    ),
    (
        "async def f(a: float = float('nan')): ...",
        "handler-untyped",
        "{name}.py:1:1",
        "a default or a bound is no number that JSON has",
    ),
    (
        "from bridge.handlers import Context\nasync def f(a: Context, b: Context): ...",
        "handler-untyped",
        "{name}.py:2:25",
        "b is a second Context: a is all that there is",
    ),
    (
        "import functools\ndef d(g):\n    @functools.wraps(g)\n    async def w(*a, **b): ...\n"
        "    return w\n@d\nasync def f(a): ...",
        "handler-untyped",
        "{name}.py:7:13",
        "a has no type, so Claude cannot",
    ),
    ("raise SystemExit(2)", "handler-unimportable", "{name}.py:1:1", "SystemExit: 2: mend that"),
]
