"""Events and files as resources: `event://{server}/{hook}` is an inbox, `…/{id}` an event of it.

Reading one never takes it: leases are given by take_event alone.
"""

import base64
import re
from typing import Any
from urllib.parse import urlencode

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from bridge.configuration.servers import Server
from bridge.errors import MalformedError, NotFoundError, RejectedError, TooLargeError
from bridge.formats.cursors import order_after
from bridge.formats.json_text import spell
from bridge.mcp.addresses import (
    FileAddress,
    ResourceAddress,
    event_uri,
    file_at,
    inbox_uri,
    place_of,
    uri_of,
)
from bridge.mcp.apps import app_at
from bridge.mcp.event_parts import read_part
from bridge.mcp.file_contents import media_type_of
from bridge.mcp.inbox_tools import row
from bridge.mcp.record_files import read_file
from bridge.mcp.tool_results import DATA_NOTICE
from bridge.mcp.tools import Caller, Context, refusing
from bridge.models import Event, EventStatus, instant

MIME_TYPE = "application/json"
PAGE = 100
LISTED_MAX = 1000
"""How many queued events are listed at most; list_events lists them all."""

RESOURCE_NOT_FOUND = -32002
"""What the handshake versions answer for an unknown resource; later ones -32602 (SEP-2164)."""

TEMPLATES = (
    types.ResourceTemplate(
        name="inbox",
        title="Inbox of a hook",
        uri_template="event://{server}/{hook}",
        description="The events that wait on a hook, oldest first. Subscribe to hear of news.",
        mime_type=MIME_TYPE,
    ),
    types.ResourceTemplate(
        name="event",
        title="Event",
        uri_template="event://{server}/{hook}/{id}",
        description=(
            "An event and its payload, which is data from outside. Of a long one you get the "
            "start, and in next_uri where to read on; ?path=/a/b reads only a part of it."
        ),
        mime_type=MIME_TYPE,
    ),
    types.ResourceTemplate(
        name="event_file",
        title="File of an event",
        uri_template="event://{server}/{hook}/{id}/file{?path,offset}",
        description="A file that came with an event, which is data from outside.",
    ),
    types.ResourceTemplate(
        name="call_file",
        title="File of a call",
        uri_template="call://{server}/{id}/file{?path,offset}",
        description="A file that a workflow of yours answered with, which is data from outside.",
    ),
)

FILE_BYTES_MAX = 4 * 1024 * 1024
"""How much of a file is read at once: in base64 it is a third of what a stream of events holds."""

NEXT_URI_META_KEY = "n8n-claude-bridge/nextUri"


async def list_resources(
    context: Context, params: types.PaginatedRequestParams | None
) -> types.ListResourcesResult:
    """List every inbox, in the server file's order, then the oldest queued events."""
    server = context.lifespan_context.server
    order, listed = _listed_before(params.cursor if params else None)
    with refusing():
        listing = await context.lifespan_context.runtime.events.list(
            server, None, EventStatus.QUEUED, min(PAGE, LISTED_MAX - listed), order
        )
    inboxes = [] if order else [inbox(server, hook) for hook in server.hooks]
    listed += len(listing.events)
    more = listing.next_cursor if listed < LISTED_MAX else None
    return types.ListResourcesResult(
        resources=[*inboxes, *(_queued(server, event) for event in listing.events)],
        next_cursor=f"{more}.{listed}" if more else None,
    )


async def list_templates(
    _context: Context, _params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    """List how the addresses of inboxes and events are made."""
    return types.ListResourceTemplatesResult(resource_templates=list(TEMPLATES))


async def read_resource(
    context: Context, params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    """Read an inbox or an event, in its envelope.

    Raises:
        MCPError: there is no such resource, or its store is away.
    """
    caller, uri = context.lifespan_context, params.uri
    if page := app_at(caller.server, uri):
        return types.ReadResourceResult(contents=[page])
    place, file = place_of(caller.server, uri), file_at(caller.server, uri)
    if place is None and file is None:
        raise unknown(context, uri)
    with refusing():
        try:
            contents = await (_file(caller, file, uri) if file else _told(caller, place, uri))
        except RejectedError as error:
            raise unknown(context, uri, str(error)) from error
    return types.ReadResourceResult(contents=[contents])


async def _told(
    caller: Caller, place: ResourceAddress | None, uri: str
) -> types.TextResourceContents:
    assert place is not None, "what is no file is an inbox or an event"
    read = _read_event if place.event_id else _read_inbox
    text = spell(await read(caller, place))
    return types.TextResourceContents(uri=uri, mime_type=MIME_TYPE, text=text)


async def _file(
    caller: Caller, file: FileAddress, uri: str
) -> types.TextResourceContents | types.BlobResourceContents:
    """Read a file, or the part of it from an offset on: of a part it says where the next begins.

    Raises:
        TooLargeError: it is long, and nobody asked for a part.
    """
    part = await read_file(caller, file, FILE_BYTES_MAX)
    whole, media_type = uri_of(caller.server, file), media_type_of(part.media_type)
    if file.offset is None and len(part.content) < part.whole_bytes:
        raise TooLargeError(
            f"this file has {part.whole_bytes} bytes: read it in parts, from {whole}&offset=0 on"
        )
    if file.offset is None and part.is_text:
        text = part.content.decode()
        return types.TextResourceContents(uri=uri, mime_type=media_type, text=text)
    end = (file.offset or 0) + len(part.content)
    meta = {NEXT_URI_META_KEY: f"{whole}&offset={end}"} if end < part.whole_bytes else None
    blob = base64.b64encode(part.content).decode()
    return types.BlobResourceContents(uri=uri, mime_type=media_type, blob=blob, _meta=meta)


def unknown(context: Context, uri: str, why: str = "no such resource") -> MCPError:
    """Report that an address names nothing, as this request's version spells it."""
    is_modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    return MCPError(types.INVALID_PARAMS if is_modern else RESOURCE_NOT_FOUND, why, {"uri": uri})


async def _read_inbox(caller: Caller, place: ResourceAddress) -> dict[str, Any]:
    listing = await caller.runtime.events.list(
        caller.server, place.hook, EventStatus.QUEUED, PAGE, place.cursor
    )
    read: dict[str, Any] = {
        "hook": place.hook,
        "notice": DATA_NOTICE,
        "events": [
            row(event) | {"uri": event_uri(caller.server, place.hook, event.event_id)}
            for event in listing.events
        ],
    }
    if listing.next_cursor:
        query = urlencode({"cursor": listing.next_cursor})
        read["next_uri"] = f"{inbox_uri(caller.server, place.hook)}?{query}"
    return read


async def _read_event(caller: Caller, place: ResourceAddress) -> dict[str, Any]:
    event = await caller.runtime.events.find(caller.server.name, place.event_id)
    if event.hook != place.hook:
        raise NotFoundError("no such event")
    part = dict((await read_part(caller, place.event_id, place.path, place.offset)).told)
    head = {
        "hook": event.hook,
        "status": event.status,
        "attempt": event.attempt,
        "received_at": instant(event.received_at_ms),
    }
    if part.get("next_offset"):
        query = urlencode({"path": place.path} if place.path else {})
        on = "&".join(filter(None, (query, f"offset={part['next_offset']}")))
        part["next_uri"] = f"{event_uri(caller.server, place.hook, place.event_id)}?{on}"
    return head | part


def _listed_before(cursor: str | None) -> tuple[str | None, int]:
    """Read how far a client has read the list, and how many events that were.

    Raises:
        MCPError: no list ever gave this cursor.
    """
    order, _, listed = (cursor or "0.0").partition(".")
    with refusing():
        order_after(order)
        if not re.fullmatch("[0-9]{1,4}", listed, re.ASCII) or int(listed) >= LISTED_MAX:
            raise MalformedError("this is no cursor: take nextCursor as it came, or leave it out")
    return (order if cursor else None), int(listed)


def inbox(server: Server, hook: str) -> types.Resource:
    """Return an inbox as it stands in the list."""
    return types.Resource(
        name=hook,
        title=f"Inbox of {hook}",
        uri=inbox_uri(server, hook),
        description=server.hooks[hook].description or None,
        mime_type=MIME_TYPE,
    )


def _queued(server: Server, event: Event) -> types.Resource:
    received_at = instant(event.received_at_ms)
    return types.Resource(
        name=event.event_id,
        title=f"{event.hook}, received {received_at}",
        uri=event_uri(server, event.hook, event.event_id),
        mime_type=MIME_TYPE,
        annotations=types.Annotations(last_modified=received_at),
    )
