"""Keys of server files that are read and checked, but that nothing acts on yet."""

from collections.abc import Iterator
from typing import Any

from bridge.servers import Server

NOT_YET = {
    "trim_context.true": "results are handed over as n8n gives them",
}
"""What happens instead, by key path; a `*` is any hook or workflow, a last word may be a value."""


def not_yet(server: Server) -> tuple[str, ...]:
    """Warn of every key that the file of `server` gives and that has no effect yet."""
    given = server.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
    return tuple(
        f"{server.name}: `{'.'.join(path)}` has no effect yet: {instead}"
        for path in dict.fromkeys(_paths(given, ()))
        for pattern, instead in NOT_YET.items()
        if _matches(path, pattern.split("."))
    )


def _paths(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _paths(member, (*path, key))
    elif isinstance(value, tuple):
        for item in value:
            yield from _paths(item, path)
    elif isinstance(value, bool | str):
        yield (*path, str(value).lower())


def _matches(path: tuple[str, ...], pattern: list[str]) -> bool:
    return len(path) == len(pattern) and all(
        wanted in ("*", word) for word, wanted in zip(path, pattern, strict=True)
    )
