"""The Events extension: each hook is a type of event, and what comes on it an occurrence.

Occurrences are told in the order they came, whatever has become of the events since; telling one
takes nothing, which is what take_event is for.

On purpose: no webhooks (events/subscribe). The bridge would have to send to addresses that a client
names; poll and push reach everyone who can reach the bridge.

Source: SEP-3415 (`io.modelcontextprotocol/events`), the draft of October 2026; its error codes were
provisional.
"""

import asyncio
import re
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server as McpServer
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from bridge.errors import NotFoundError, TransientError
from bridge.mcp.envelopes import DATA_NOTICE, value_or_text
from bridge.mcp.event_types import event_type
from bridge.mcp.exchange import Caller
from bridge.mcp.listening import Listening
from bridge.mcp.refusals import refusing
from bridge.mcp.resources import inbox_uri
from bridge.mcp.showing import shown_part
from bridge.mcp.tools import Context
from bridge.models import Event, instant
from bridge.servers import Hook
from bridge.store.arrivals import Arrivals

EXTENSION = "io.modelcontextprotocol/events"
NOT_FOUND = -32023
EVENTS_MAX, EVENTS_USUAL = 100, 20
NEXT_POLL_MS = 5000
HEARTBEAT_S = 15.0


class SubscriptionParams(types.RequestParams):
    """What one subscription is to, and from where on."""

    name: str
    arguments: dict[str, Any] | None = None
    cursor: str | None = None
    max_age_ms: int | None = Field(None, ge=0)


class PollParams(SubscriptionParams):
    """A subscription, and how much of it is wanted at once."""

    max_events: int | None = Field(None, ge=1)


class Occurrences:
    """Serves the extension's methods for one server, its streams among those of `listening`."""

    def __init__(self, listening: Listening) -> None:
        self._listening = listening

    def add_to(self, mcp_server: McpServer[Caller]) -> None:
        """Serve the methods and say so in the capabilities."""
        mcp_server.extensions[EXTENSION] = {"listChanged": True}
        mcp_server.add_request_handler("events/list", types.PaginatedRequestParams, list_types)
        mcp_server.add_request_handler("events/poll", PollParams, poll)
        mcp_server.add_request_handler("events/stream", SubscriptionParams, self.stream)

    async def stream(self, context: Context, params: SubscriptionParams) -> dict[str, Any]:
        """Tell occurrences as they come, with signs of life between, until the client leaves."""
        caller, hook = context.lifespan_context, _hook(context, params)
        told = _Told(context, hook, params)
        with self._listening.open(context, f"events:{caller.server.name}") as bell:
            with refusing():
                await told.begin()
            while not self._listening.is_closing:
                try:
                    await told.go_on()
                except TransientError as error:
                    await told.fail(str(error))
                if not await bell.wait(min(HEARTBEAT_S, caller.runtime.settings.keepalive_s)):
                    await told.live()
        return {"resultType": "complete", "_meta": told.meta}


async def list_types(context: Context, _params: types.PaginatedRequestParams) -> dict[str, Any]:
    """List what can be subscribed to, in the server file's order of hooks."""
    _demand_modern(context)
    server = context.lifespan_context.server
    return {
        "resultType": "complete",
        "events": [event_type(hook) for hook in server.hooks.values()],
    }


async def poll(context: Context, params: PollParams) -> dict[str, Any]:
    """Tell what has come behind a cursor; without one, where to begin."""
    caller, hook = context.lifespan_context, _hook(context, params)
    limit = min(params.max_events or EVENTS_USUAL, EVENTS_MAX)
    with refusing():
        arrivals = await _after(caller, hook, params.cursor, limit, _kept_s(caller, params))
        events = await _occurrences(caller, arrivals)
    return {
        "resultType": "complete",
        "events": [occurrence for _, occurrence in events],
        "cursor": arrivals.place,
        "truncated": arrivals.is_cut,
        "hasMore": arrivals.has_more,
        "nextPollMs": NEXT_POLL_MS,
    }


class _Told:
    """One stream of occurrences: how far it has been told."""

    def __init__(self, context: Context, hook: Hook, params: SubscriptionParams) -> None:
        self._caller = context.lifespan_context
        self._hook = hook
        self._params = params
        self._cursor = params.cursor
        self.meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}

    async def begin(self) -> None:
        """Say from where on occurrences are told."""
        kept_s = _kept_s(self._caller, self._params)
        arrivals = await _after(self._caller, self._hook, self._cursor, 1, kept_s)
        await self._start(arrivals)

    async def go_on(self) -> None:
        """Tell all that has come since."""
        kept_s, has_more = self._caller.runtime.settings.event_ttl_s, True
        while has_more:
            arrivals = await _after(self._caller, self._hook, self._cursor, EVENTS_USUAL, kept_s)
            if arrivals.is_cut:
                await self._start(arrivals)
            for event, occurrence in await _occurrences(self._caller, arrivals):
                await self._notify("event", occurrence | {"cursor": str(event.order)})
                self._cursor = str(event.order)
            self._cursor, has_more = arrivals.place, arrivals.has_more

    async def live(self) -> None:
        """Give a sign of life, with the place up to which all has been told."""
        await self._notify("heartbeat", {"cursor": self._cursor})

    async def fail(self, why: str) -> None:
        """Say that something was in the way; the stream goes on."""
        error = {"code": types.INTERNAL_ERROR, "message": why}
        await self._notify("error", {"error": error})

    async def _start(self, arrivals: Arrivals) -> None:
        self._cursor = arrivals.start
        said = {"cursor": arrivals.start, "truncated": arrivals.is_cut}
        await self._notify("active", said)

    async def _notify(self, what: str, params: dict[str, Any]) -> None:
        await self._caller.notify(f"notifications/events/{what}", params | {"_meta": self.meta})


def _kept_s(caller: Caller, params: SubscriptionParams) -> float:
    """Tell how old an event may be at most to be told: no older ones are surely kept, or wanted."""
    kept_s = caller.runtime.settings.event_ttl_s
    return kept_s if params.max_age_ms is None else min(kept_s, params.max_age_ms / 1000)


async def _after(
    caller: Caller, hook: Hook, cursor: str | None, limit: int, kept_s: float
) -> Arrivals:
    arrivals = caller.runtime.arrivals
    return await arrivals.after(caller.server.name, hook.name, cursor, limit, kept_s)


async def _occurrences(caller: Caller, arrivals: Arrivals) -> list[tuple[Event, dict[str, Any]]]:
    """Give events as they are told; those that are no longer kept are left out."""
    told = await asyncio.gather(*(_occurrence(caller, event) for event in arrivals.events))
    return [(event, it) for event, it in zip(arrivals.events, told, strict=True) if it]


async def _occurrence(caller: Caller, event: Event) -> dict[str, Any] | None:
    """Give an event as it is told; None once it is no longer kept."""
    server, chars = caller.server, caller.runtime.settings.result_chars
    try:
        payload = await shown_part(caller, event.event_id, "", detailed=False)
    except NotFoundError:
        return None
    received_at, read = instant(event.received_at_ms), value_or_text(payload, 0, chars)
    data: dict[str, Any] = {
        "event_id": event.event_id,
        "hook": event.hook,
        "status": event.status,
        "uri": f"{inbox_uri(server, event.hook)}/{event.event_id}",
        "notice": DATA_NOTICE,
    }
    if "value" in read:
        data["payload"] = read["value"]
    else:
        data |= read
    return {
        "eventId": event.event_id,
        "name": event.hook,
        "timestamp": received_at,
        "data": data,
    }


def _hook(context: Context, params: SubscriptionParams) -> Hook:
    """Find the hook that a subscription is to.

    Raises:
        MCPError: there is none, or the subscription's arguments or cursor are wrong.
    """
    _demand_modern(context)
    hook = context.lifespan_context.server.hooks.get(params.name)
    if hook is None:
        raise MCPError(NOT_FOUND, f"no such event: {params.name}", {"kind": "event"})
    if params.arguments:
        raise MCPError(types.INVALID_PARAMS, "these events take no arguments")
    if params.cursor is not None and not re.fullmatch("[0-9]{1,17}", params.cursor, re.ASCII):
        raise MCPError(types.INVALID_PARAMS, "this is no cursor: take it as it came, or null")
    return hook


def _demand_modern(context: Context) -> None:
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(types.METHOD_NOT_FOUND, "Method not found", context.method)
