"""Addresses of resources: `event://{server}/{hook}` is an inbox, `…/{id}` behind it an event.

`…/file?path=` behind an event, or behind `call://{server}/{id}`, is a file of it.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from bridge.configuration.servers import Server

ADDRESS = re.compile(
    r"event://(?P<server>[^/?#]+)/(?P<hook>[^/?#]+)(?:/(?P<id>[^/?#]+))?(?:\?(?P<query>[^#]*))?"
)

FILE_ADDRESS = re.compile(
    r"(?:event://(?P<of_event>[^/?#]+)/(?P<hook>[^/?#]+)|call://(?P<of_call>[^/?#]+))"
    r"/(?P<id>[^/?#]+)/file\?(?P<query>[^#]*)"
)


@dataclass(frozen=True)
class ResourceAddress:
    """What a resource's address names: an inbox, or an event of it and perhaps a part of that."""

    hook: str
    event_id: str = ""
    path: str = ""
    offset: int = 0
    cursor: str | None = None


@dataclass(frozen=True)
class FileAddress:
    """What the address of a file names: where in which record; no `hook` where that is a call.

    Without an `offset` it is the whole.
    """

    hook: str
    record_id: str
    path: str
    offset: int | None = None


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


def uri_of(server: Server, file: FileAddress) -> str:
    """Format the address of a file, of the whole of it."""
    query = urlencode({"path": file.path}, safe="/", quote_via=quote)
    call_uri = f"call://{server.name}/{file.record_id}"
    record = event_uri(server, file.hook, file.record_id) if file.hook else call_uri
    return f"{record}/file?{query}"


def file_at(server: Server, uri: str) -> FileAddress | None:
    """Read the address of a file; None where it can name none of this server."""
    spelt = FILE_ADDRESS.fullmatch(uri)
    if spelt is None or server.name not in (spelt["of_event"], spelt["of_call"]):
        return None
    asked = dict(parse_qsl(spelt["query"]))
    offset = asked.get("offset")
    if offset is not None and not re.fullmatch("[0-9]{1,12}", offset, re.ASCII):
        return None
    if spelt["of_event"] and spelt["hook"] not in server.hooks:
        return None
    path, start = asked.get("path", ""), None if offset is None else int(offset)
    return FileAddress(spelt["hook"] or "", spelt["id"], path, start)
