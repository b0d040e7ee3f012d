"""JSON Pointers (RFC 6901): the address of one place in a document."""

from collections.abc import Iterable


def pointer_to(parts: Iterable[str | int]) -> str:
    """Write the keys and 0-based indexes that lead to a place as a pointer; none is the whole."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def parts_of(pointer: str) -> tuple[str, ...]:
    """Read a pointer back into the keys and indexes that it names.

    Raises:
        ValueError: the text is neither empty nor starts with a slash, or has a stray `~`.
    """
    if pointer and not pointer.startswith("/"):
        raise ValueError("must be a JSON Pointer, such as /ticket/id")
    parts = tuple(pointer.split("/")[1:])
    if any(part.replace("~0", "").replace("~1", "").count("~") for part in parts):
        raise ValueError("must be a JSON Pointer: write ~ as ~0 and / as ~1")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)
