"""What a new server is called and what it is for, checked before anything is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import TypeAdapter, ValidationError

from bridge.authoring.naming import (
    LONGEST_BUILT_IN,
    NAME_CHARS,
    prefix_of,
    servers_in,
    tool_name,
    whole_name,
)
from bridge.authoring.scaffold.curl import CurlRequest
from bridge.configuration.demo import NAME as DEMO
from bridge.configuration.fields import BUILT_IN_TOOLS, Slug
from bridge.configuration.settings import servers_dir_of
from bridge.errors import ConfigurationError

Kind = Literal["inbox", "tool", "approval", "document", "python"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_SLUG: TypeAdapter[str] = TypeAdapter(Slug)


@dataclass(frozen=True)
class Project:
    """A server to be written: its name, its kind, and the request of n8n's that it is made from."""

    name: str
    kind: Kind
    request: CurlRequest | None = None

    @property
    def title(self) -> str:
        """Return what people see."""
        return self.name.replace("-", " ").strip().capitalize()

    @property
    def tool(self) -> str:
        """Return the name of its tool: the server's, or one that is short beside a long one."""
        named = tool_name(self.name)
        return named if len(whole_name(self.name, named)) <= NAME_CHARS else "run"

    @property
    def module(self) -> str:
        """Return the name of its handlers' module, which hides no other that they may import."""
        named = f"{tool_name(self.name)}_handlers"
        return named if named.isidentifier() else f"server_{named}"

    @property
    def prefix(self) -> str:
        """Return what its variables begin with; no common variable has the endings they have."""
        return prefix_of(self.name)


def demand_name(name: str, environ: Mapping[str, str]) -> None:
    """Refuse a name that no server may have, or that another one here has.

    Raises:
        ConfigurationError: naming what is wrong with it.
    """
    for fault in _faults_of_name(name, environ):
        raise ConfigurationError((fault,))


def _faults_of_name(name: str, environ: Mapping[str, str]) -> Iterator[str]:
    try:
        _SLUG.validate_python(name)
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        yield f"{name!r} is no name of a server, which {said}: choose another"
        return
    if (excess := len(whole_name(name, LONGEST_BUILT_IN)) - NAME_CHARS) > 0:
        yield (
            f"{name} makes names of tools longer than the {NAME_CHARS} characters that Claude's "
            f"API takes: choose one of at most {len(name) - excess} characters"
        )
    if name == DEMO:
        yield f"{name} is the name of the demo that ships with the bridge: choose another"
    if tool_name(name) in BUILT_IN_TOOLS:
        yield f"{name} would have a tool of a name that every server has: choose another"
    folder = servers_dir_of(environ)
    if any(name == other for other, _ in servers_in(folder, environ)):
        yield f"{name} is the name of a server in {folder} already: choose another"


def demand_free(folder: Path) -> None:
    """Refuse a place where something is: nothing is ever overwritten.

    Raises:
        ConfigurationError: naming what is there, or that no file could name this place.
    """
    if not str(folder).isprintable():
        raise ConfigurationError((f"{str(folder)!r} holds control characters: name another place",))
    try:
        folder.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigurationError((f"{folder} cannot be written: {error.strerror}",)) from error
    raise ConfigurationError(
        (f"{folder} is there already{_content(folder)}: name another place with --into",)
    )


def _content(folder: Path) -> str:
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return ""
    shown, more = names[:3], len(names) - 3
    return f" (it holds {', '.join(shown)}{f' and {more} more' if more > 0 else ''})" * bool(shown)
