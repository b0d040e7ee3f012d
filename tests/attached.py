"""What a tool's answer holds where it was attached to an earlier call."""

from collections.abc import Mapping
from typing import Any


def own_result(structured: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the result that an answer brings, its own or the earlier one that it tells of."""
    if structured is None:
        return None
    is_attached = {"attached_to", "next", "result"} <= structured.keys()
    return dict(structured["result"] if is_attached else structured)
