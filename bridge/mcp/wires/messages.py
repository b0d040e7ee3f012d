"""What a JSON-RPC message is, on wires that bring it as text."""

from collections.abc import Mapping

from mcp_types import PROTOCOL_VERSION_META_KEY

from bridge.models import Json, Message

BATCHES_UNTIL = "2025-03-26"
"""The one protocol version that has batches of JSON-RPC."""


def is_message(message: object) -> bool:
    """Tell whether a JSON value is one request, notification or answer."""
    if not isinstance(message, Mapping) or message.get("jsonrpc") != "2.0":
        return False
    request_id = message.get("id", "")
    has_good_id = isinstance(request_id, str | int) and not isinstance(request_id, bool)
    if "method" in message:
        return isinstance(message["method"], str) and has_good_id
    return "id" in message and ("result" in message or "error" in message)


def batch_in(body: Json) -> list[Message]:
    """Read a batch; empty when it is none. No handshake is part of one.

    Source: MCP 2025-03-26, "Messages" and "Lifecycle".
    """
    members = body if isinstance(body, list) else []
    batch = [message for message in members if isinstance(message, dict) and is_message(message)]
    is_whole = len(batch) == len(members)
    return batch if is_whole and all(each.get("method") != "initialize" for each in batch) else []


def has_envelope(message: Message) -> bool:
    """Tell whether a message carries what only the 2026 wire has."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, Mapping) else None
    return isinstance(meta, Mapping) and PROTOCOL_VERSION_META_KEY in meta
