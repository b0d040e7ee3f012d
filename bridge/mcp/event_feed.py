"""The Events extension: types of events, and the feed of those that came, polled or streamed."""

import asyncio
import json
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server as McpServer
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from pydantic import Field

from bridge.configuration.servers import Hook
from bridge.errors import TransientError
from bridge.mcp.event_webhooks import (
    EXTENSION,
    SubscriptionParams,
    add_webhooks,
    demand_modern,
    hook_of,
    kept_s_of,
    offers_webhooks,
)
from bridge.mcp.occurrence import occurrence
from bridge.mcp.subscriptions_listen import SubscriptionsListen
from bridge.mcp.tools import Caller, Context, refusing
from bridge.models import Event, EventStatus, Json
from bridge.store.event_feed import ArrivalPage

DELIVERY = ("poll", "push")
_TEXT = {"type": "string"}


def event_type(hook: Hook, *, webhooks: bool = False) -> dict[str, Any]:
    """Return a hook as it stands in the list of events, for who may have `webhooks` or may not."""
    return {
        "name": hook.name,
        "description": hook.description or f"An event came on the hook {hook.name}.",
        "delivery": [*DELIVERY, "webhook"] if webhooks else list(DELIVERY),
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
        "payloadSchema": {
            "type": "object",
            "properties": {
                "event_id": _TEXT,
                "hook": {"const": hook.name},
                "status": {"enum": [status.value for status in EventStatus]},
                "uri": _TEXT | {"description": "Where resources/read gives the event."},
                "notice": _TEXT,
                **_kept(hook),
                "payload": _payload(hook),
                "text": _TEXT | {"description": "The start of a long payload, in its place."},
                "next_offset": {"type": "integer", "description": "Where read_event reads on."},
            },
            "required": ["event_id", "hook", "status", "uri", "notice"],
        },
    }


def _kept(hook: Hook) -> dict[str, Any]:
    """Return the schemas of what a hook keeps beside the payload; text stands for long ones."""
    if hook.keep is None:
        return {}
    asked = {"headers": bool(hook.keep.headers), "query": hook.keep.query}
    return {name: {"type": ["object", "string"]} for name, is_kept in asked.items() if is_kept}


def _payload(hook: Hook) -> dict[str, Any]:
    """Return the schema of a hook's payloads as a part of another."""
    schema = hook.payload or {}
    if "$ref" in json.dumps(schema):  # what it refers to is found from its own root
        schema = {"$id": f"urn:n8n-hook:{hook.name}", **schema}
    return schema


EVENTS_MAX, EVENTS_USUAL = 100, 20
NEXT_POLL_MS = 5000
HEARTBEAT_S = 15.0


class PollParams(SubscriptionParams):
    """A subscription, and how much of it is wanted at once."""

    max_events: int | None = Field(None, ge=1)


class EventFeed:
    """Serves the extension's methods for one server, its streams among those of `listening`."""

    def __init__(self, listening: SubscriptionsListen) -> None:
        self._listening = listening

    def add_to(self, mcp_server: McpServer[Caller]) -> None:
        """Serve the methods and say so in the capabilities."""
        mcp_server.extensions[EXTENSION] = {"listChanged": True}
        mcp_server.add_request_handler("events/list", types.PaginatedRequestParams, list_types)
        mcp_server.add_request_handler("events/poll", PollParams, poll)
        mcp_server.add_request_handler("events/stream", SubscriptionParams, self.stream)
        add_webhooks(mcp_server)

    async def stream(self, context: Context, params: SubscriptionParams) -> dict[str, Any]:
        """Send occurrences as they come, with signs of life between, until the client leaves."""
        caller, hook = context.lifespan_context, hook_of(context, params)
        told = _Told(context, hook, params)
        with self._listening.open(caller.runtime.inboxes.arriving(caller.server)) as woken:
            with refusing():
                await told.go_on(begins=True)
            while not self._listening.is_closing:
                try:
                    await told.go_on()
                except TransientError as error:
                    await told.fail(str(error))
                if not await woken.wait(min(HEARTBEAT_S, caller.runtime.settings.keepalive_s)):
                    await told.live()
        return {"resultType": "complete", "_meta": told.meta}


async def list_types(context: Context, _params: types.PaginatedRequestParams) -> dict[str, Any]:
    """List what can be subscribed to, in the server file's order of hooks."""
    demand_modern(context)
    caller = context.lifespan_context
    webhooks = offers_webhooks(caller)
    return {
        "resultType": "complete",
        "events": [event_type(hook, webhooks=webhooks) for hook in caller.server.hooks.values()],
    }


async def poll(context: Context, params: PollParams) -> dict[str, Any]:
    """Report what has come behind a cursor; without one, where to begin."""
    caller, hook = context.lifespan_context, hook_of(context, params)
    limit = min(params.max_events or EVENTS_USUAL, EVENTS_MAX)
    with refusing():
        arrivals = await _after(caller, hook, params.cursor, limit, kept_s_of(caller, params))
        events = await _occurrences(caller, arrivals)
    return {
        "resultType": "complete",
        "events": [told for _, told in events],
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

    async def go_on(self, *, begins: bool = False) -> None:
        """Send all that has come since, and first from where on, where that is to be said."""
        caller, has_more = self._caller, True
        kept_s = kept_s_of(caller, self._params) if begins else caller.runtime.settings.event_ttl_s
        while has_more:
            arrivals = await _after(caller, self._hook, self._cursor, EVENTS_USUAL, kept_s)
            if begins or arrivals.is_cut:
                await self._start(arrivals)
                begins = False
            for event, told in await _occurrences(caller, arrivals):
                await self._notify("event", told | {"cursor": str(event.order)})
                self._cursor = str(event.order)
            self._cursor, has_more = arrivals.place, arrivals.has_more

    async def live(self) -> None:
        """Return a sign of life, with the place up to which all has been told."""
        await self._notify("heartbeat", {"cursor": self._cursor})

    async def fail(self, why: str) -> None:
        """Report that something was in the way; the stream goes on."""
        error = {"code": types.INTERNAL_ERROR, "message": why}
        await self._notify("error", {"error": error})

    async def _start(self, arrivals: ArrivalPage) -> None:
        self._cursor = arrivals.start
        said = {"cursor": arrivals.start, "truncated": arrivals.is_cut}
        await self._notify("active", said)

    async def _notify(self, what: str, params: dict[str, Any]) -> None:
        await self._caller.notify(f"notifications/events/{what}", params | {"_meta": self.meta})


async def _after(
    caller: Caller, hook: Hook, cursor: str | None, limit: int, kept_s: float
) -> ArrivalPage:
    return await caller.runtime.inboxes.after(caller.server, hook.name, cursor, limit, kept_s)


async def _occurrences(
    caller: Caller, arrivals: ArrivalPage
) -> list[tuple[Event, dict[str, Json]]]:
    """Return events as they are told; those that are no longer kept are left out."""
    runtime, server = caller.runtime, caller.server
    chars = runtime.settings.result_chars
    told = await asyncio.gather(
        *(
            occurrence(runtime.events, runtime.schemas, server, event, chars)
            for event in arrivals.events
        )
    )
    return [(event, it) for event, it in zip(arrivals.events, told, strict=True) if it]
