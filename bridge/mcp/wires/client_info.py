"""What a handshake says of a client, as far as it is kept: as much as any client would say."""

import hashlib
from collections.abc import Mapping
from typing import Any

from bridge.formats.json_text import encode

NAMES = ("name", "title", "version")
NAME_CHARS = 200
CAPABILITIES_MAX = 32
CAPABILITY_BYTES = 4096


def kept_name(client: str) -> str:
    """Return the name that a client goes by, or a digest of one that is too long to be kept."""
    if len(client) <= NAME_CHARS:
        return client
    return hashlib.sha256(client.encode(errors="replace")).hexdigest()


def kept_info(info: Any) -> Any:
    """Return what a client is called, cut where it is long."""
    if not isinstance(info, Mapping):
        return None
    said = {name: info[name] for name in NAMES if isinstance(info.get(name), str)}
    return {name: text[:NAME_CHARS] for name, text in said.items()}


def kept_capabilities(capabilities: Any) -> Any:
    """Return a client's capabilities, without any that is longer than one can be."""
    if not isinstance(capabilities, Mapping):
        return None
    short = [
        (name, value)
        for name, value in capabilities.items()
        if len(name) <= NAME_CHARS and len(encode(value)) <= CAPABILITY_BYTES
    ]
    return dict(short[:CAPABILITIES_MAX])
