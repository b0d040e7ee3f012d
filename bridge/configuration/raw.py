"""A server file's value read as it stands: what in it is not as it must be is passed over.

The loader names that; what is found here is named all the same, at once.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

_TRUTH = TypeAdapter(bool)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping; an empty one for all else."""
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str:
    """Return a text; an empty one for all else."""
    return value if isinstance(value, str) else ""


def truth(value: Any) -> bool | None:
    """Return what the loader takes a value for: `yes`, say, is true; None where it is neither."""
    try:
        return _TRUTH.validate_python(value)
    except ValidationError:
        return None


def entries(server: Any, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the `hooks` or `workflows` of a server, or `receivers` of alerts, by name."""
    for name, entry in mapping(mapping(server).get(kind)).items():
        if isinstance(entry, Mapping):
            yield name, entry
