"""Addresses of resources: `event://{server}/{hook}` is an inbox, `…/{id}` behind it an event."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from bridge.configuration.servers import Server

ADDRESS = re.compile(
    r"event://(?P<server>[^/?#]+)/(?P<hook>[^/?#]+)(?:/(?P<id>[^/?#]+))?(?:\?(?P<query>[^#]*))?"
)


@dataclass(frozen=True)
class ResourceAddress:
    """What a resource's address names: an inbox, or an event of it and perhaps a part of that."""

    hook: str
    event_id: str = ""
    path: str = ""
    offset: int = 0
    cursor: str | None = None


def inbox_uri(server: Server, hook: str) -> str:
    """Format the address of an inbox."""
    return f"event://{server.name}/{hook}"


def event_uri(server: Server, hook: str, event_id: str) -> str:
    """Format the address of an event."""
    return f"{inbox_uri(server, hook)}/{event_id}"


def hook_of_inbox(server: Server, uri: str) -> str | None:
    """Name the hook whose inbox an address is; None for any other address."""
    hook = uri.removeprefix(inbox_uri(server, ""))
    return hook if hook in server.hooks and uri == inbox_uri(server, hook) else None


def place_of(server: Server, uri: str) -> ResourceAddress | None:
    """Read an address; None where it can name nothing of this server."""
    spelt = ADDRESS.fullmatch(uri)
    if spelt is None or spelt["server"] != server.name or spelt["hook"] not in server.hooks:
        return None
    asked = dict(parse_qsl(spelt["query"] or ""))
    offset = asked.get("offset", "0")
    if not re.fullmatch("[0-9]{1,12}", offset, re.ASCII):
        return None
    return ResourceAddress(
        spelt["hook"], spelt["id"] or "", asked.get("path", ""), int(offset), asked.get("cursor")
    )
