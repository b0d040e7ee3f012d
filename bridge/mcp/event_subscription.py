"""What one subscription of the Events extension names: a hook, and from where on it is told.

Source: SEP-3415 (`io.modelcontextprotocol/events`), "Error Codes", "Cursor Lifecycle".
"""

import re
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from bridge.configuration.servers import Hook
from bridge.formats.json_text import show
from bridge.mcp.exchange import Caller
from bridge.mcp.tools import Context

EXTENSION = "io.modelcontextprotocol/events"

NOT_FOUND = -32023
FORBIDDEN = -32024
RESOURCE_EXHAUSTED = -32025
UNSUPPORTED = -32026
CALLBACK_ENDPOINT_ERROR = -32027


class SubscriptionParams(types.RequestParams):
    """What one subscription is to, and from where on."""

    name: str
    arguments: dict[str, Any] | None = None
    cursor: str | None = None
    max_age_ms: int | None = Field(None, ge=0)


def hook_of(context: Context, params: SubscriptionParams) -> Hook:
    """Find the hook that a subscription is to.

    Raises:
        MCPError: there is none, or the subscription's arguments or cursor are wrong.
    """
    demand_modern(context)
    hook = context.lifespan_context.server.hooks.get(params.name)
    if hook is None:
        raise MCPError(NOT_FOUND, f"no such event: {show(params.name)}", {"kind": "event"})
    if params.arguments:
        raise MCPError(types.INVALID_PARAMS, "these events take no arguments")
    if params.cursor is not None and not re.fullmatch("[0-9]{1,17}", params.cursor, re.ASCII):
        raise MCPError(types.INVALID_PARAMS, "this is no cursor: take it as it came, or null")
    return hook


def demand_modern(context: Context) -> None:
    """Know nothing of the extension on wires older than it.

    Raises:
        MCPError: the request came on one.
    """
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(types.METHOD_NOT_FOUND, "Method not found", context.method)


def kept_s_of(caller: Caller, params: SubscriptionParams) -> float:
    """Tell how old an event may be at most to be told: no older ones are surely kept, or wanted."""
    kept_s = caller.runtime.settings.event_ttl_s
    return kept_s if params.max_age_ms is None else min(kept_s, params.max_age_ms / 1000)
