"""The Events extension: types of events, and the feed of those that came, polled or streamed."""

import asyncio
import json
from dataclasses import dataclass
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
from bridge.mcp.tools import Caller, Context, Frames, refusing
from bridge.models import Event, EventStatus, Json, Message
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
        """Have occurrences sent as they come, with signs of life between, until the client leaves.

        Returns what ends that.
        """
        caller, hook = context.lifespan_context, hook_of(context, params)
        meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        told = FeedStream(caller.apart(), hook.name, meta, params.cursor)
        self._listening.demand_room()
        with refusing():
            first = await told.begin(kept_s_of(caller, params))
        caller.send_first(told.frames(self._listening, first))
        return {"resultType": "complete", "_meta": meta}


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
        arrivals = await _after(caller, hook.name, params.cursor, limit, kept_s_of(caller, params))
        events = await _occurrences(caller, arrivals)
    return {
        "resultType": "complete",
        "events": [told for _, told in events],
        "cursor": arrivals.place,
        "truncated": arrivals.is_cut,
        "hasMore": arrivals.has_more,
        "nextPollMs": NEXT_POLL_MS,
    }


@dataclass(slots=True)
class FeedStream:
    """One stream of a hook's occurrences: `cursor` is how far it has been told."""

    caller: Caller
    hook: str
    meta: dict[str, Any]
    cursor: str | None

    async def begin(self, kept_s: float) -> list[Message]:
        """Read the first page; return where it starts, and what it holds."""
        page = await self._page(kept_s)
        return [self._start(page), *await self._occurred(page)]

    async def frames(self, listening: SubscriptionsListen, first: list[Message]) -> Frames:
        """Yield what it begins with, and then all that comes."""
        runtime = self.caller.runtime
        pause_s = min(HEARTBEAT_S, runtime.settings.keepalive_s)
        live_at = _now() + pause_s
        with listening.open(runtime.inboxes.arriving(self.caller.server)) as woken:
            while first:
                yield first.pop(0)
            while not listening.is_closing:
                async for frame in self._come():
                    yield frame
                await woken.wait(max(live_at - _now(), 0))
                if _now() >= live_at:
                    live_at = _now() + pause_s
                    yield self._frame("heartbeat", {"cursor": self.cursor})

    async def _come(self) -> Frames:
        """Yield all that has come since, or what was in the way; the stream goes on."""
        has_more = True
        try:
            while has_more:
                page = await self._page(self.caller.runtime.settings.event_ttl_s)
                if page.is_cut:
                    yield self._start(page)
                for frame in await self._occurred(page):
                    yield frame
                has_more = page.has_more
        except TransientError as error:
            fault = {"code": types.INTERNAL_ERROR, "message": str(error)}
            yield self._frame("error", {"error": fault})

    async def _page(self, kept_s: float) -> ArrivalPage:
        return await _after(self.caller, self.hook, self.cursor, EVENTS_USUAL, kept_s)

    def _start(self, page: ArrivalPage) -> Message:
        self.cursor = page.start
        return self._frame("active", {"cursor": page.start, "truncated": page.is_cut})

    async def _occurred(self, page: ArrivalPage) -> list[Message]:
        """Return the notifications of a page's events, and go on behind it."""
        events = await _occurrences(self.caller, page)
        self.cursor = page.place
        return [self._frame("event", told | {"cursor": str(event.order)}) for event, told in events]

    def _frame(self, what: str, params: dict[str, Any]) -> Message:
        method = f"notifications/events/{what}"
        return {"jsonrpc": "2.0", "method": method, "params": params | {"_meta": self.meta}}


async def _after(
    caller: Caller, hook: str, cursor: str | None, limit: int, kept_s: float
) -> ArrivalPage:
    return await caller.runtime.inboxes.after(caller.server, hook, cursor, limit, kept_s)


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


def _now() -> float:
    return asyncio.get_running_loop().time()
