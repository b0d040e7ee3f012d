"""A server file's value read as it stands: what in it is not as it must be is passed over.

The loader names that; what is found here is named all the same, at once.
"""

from collections.abc import Iterator, Mapping
from typing import Any


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping; an empty one for all else."""
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str:
    """Return a text; an empty one for all else."""
    return value if isinstance(value, str) else ""


def entries(server: Any, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the `hooks` or `workflows` of a server, or `receivers` of alerts, by name."""
    for name, entry in mapping(mapping(server).get(kind)).items():
        if isinstance(entry, Mapping):
            yield name, entry
