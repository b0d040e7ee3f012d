"""Webhooks of the Events extension: what comes on a hook, sent to an address that the client names.

On purpose: only for those whose token may act. A client that may only read can poll and stream; an
address of its choice would go on being told after it has left.

Source: SEP-3415, "Subscribing: events/subscribe", "Unsubscribing: events/unsubscribe".
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server as McpServer
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, Field

from bridge.auth.authentication import LOCAL
from bridge.configuration.servers import Hook
from bridge.errors import NotFoundError
from bridge.formats.json_text import show
from bridge.log import audit
from bridge.mcp.tools import Caller, Context, refusing
from bridge.models import instant
from bridge.net.receivers import ReceiverError
from bridge.store.subscriptions import StoredSubscription
from bridge.verbs.subscriptions import LimitReachedError, SubscribeRequest

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
    """Return how old an event may be to be sent, in seconds: older ones may not be kept."""
    kept_s = caller.runtime.settings.event_ttl_s
    return kept_s if params.max_age_ms is None else min(kept_s, params.max_age_ms / 1000)


WEBHOOK = "webhook"


class Delivery(BaseModel):
    """Where what comes shall be sent, and what signs it."""

    mode: str = WEBHOOK
    url: str
    secret: str = ""


class SubscribeParams(SubscriptionParams):
    """A subscription, and how long the client means to keep it."""

    delivery: Delivery
    ttl_ms: int | None = Field(None, ge=0)


class UnsubscribeParams(SubscriptionParams):
    """The subscription to end: its secret is not asked for."""

    delivery: Delivery


def add_webhooks(mcp_server: McpServer[Caller]) -> None:
    """Serve the methods."""
    mcp_server.add_request_handler("events/subscribe", SubscribeParams, subscribe)
    mcp_server.add_request_handler("events/unsubscribe", UnsubscribeParams, unsubscribe)


def offers_webhooks(caller: Caller) -> bool:
    """Report whether a caller may have events sent somewhere."""
    is_known = caller.principal.name != LOCAL
    return caller.runtime.settings.event_webhooks and is_known and caller.scope.acts


async def subscribe(context: Context, params: SubscribeParams) -> dict[str, Any]:
    """Begin a subscription or renew it, once its receiver has proved that it wants to be told."""
    caller, hook = context.lifespan_context, hook_of(context, params)
    _demand_right(caller, params.delivery)
    asked = SubscribeRequest(
        principal=caller.principal,
        token=caller.token[0],
        hook=hook.name,
        url=params.delivery.url,
        secret=params.delivery.secret,
        cursor=params.cursor,
        kept_s=kept_s_of(caller, params),
        ttl_s=None if params.ttl_ms is None else params.ttl_ms / 1000,
    )
    try:
        with refusing(), _in_own_codes():
            subscribed = await caller.runtime.subscriptions.subscribe(asked)
    except MCPError:
        audit(str(caller.principal), "events/subscribe", asked.subscription_id, "refused")
        raise
    audit(str(caller.principal), "events/subscribe", subscribed.subscription_id, "done")
    kept = subscribed.kept
    return {
        "resultType": "complete",
        "id": subscribed.subscription_id,
        "refreshBefore": instant(kept.expires_at_ms),
        "cursor": kept.cursor,
        "truncated": subscribed.is_cut,
    } | ({"deliveryStatus": _status(kept)} if kept.is_old else {})


async def unsubscribe(context: Context, params: UnsubscribeParams) -> dict[str, Any]:
    """End a subscription at once."""
    caller, hook = context.lifespan_context, hook_of(context, params)
    _demand_right(caller, params.delivery)
    with refusing(), _in_own_codes():
        ended = await caller.runtime.subscriptions.unsubscribe(
            caller.principal, hook.name, params.delivery.url
        )
    audit(str(caller.principal), "events/unsubscribe", ended, "done")
    return {"resultType": "complete"}


def _demand_right(caller: Caller, delivery: Delivery) -> None:
    if delivery.mode != WEBHOOK or not caller.runtime.settings.event_webhooks:
        data = {"feature": "deliveryMode", "value": delivery.mode}
        raise MCPError(UNSUPPORTED, "events are not sent this way here", data)
    if caller.principal.name == LOCAL:
        raise MCPError(FORBIDDEN, "webhooks are for clients with a token: poll, or open a stream")
    if not caller.scope.acts:
        raise MCPError(FORBIDDEN, "this token may only read: poll, or open a stream")


@contextlib.contextmanager
def _in_own_codes() -> Iterator[None]:
    """Report what the extension has codes for by them while the block lasts."""
    try:
        yield
    except ReceiverError as error:
        data: dict[str, Any] = {"reason": error.reason}
        raise MCPError(CALLBACK_ENDPOINT_ERROR, str(error), data) from error
    except LimitReachedError as error:
        data = {"limit": error.limit, "max": error.most}
        raise MCPError(RESOURCE_EXHAUSTED, str(error), data) from error
    except NotFoundError as error:
        raise MCPError(NOT_FOUND, str(error), {"kind": "subscription"}) from error


def _status(kept: StoredSubscription) -> dict[str, Any]:
    """Report how deliveries went until now, in categories only."""
    told: dict[str, Any] = {"active": not kept.was_suspended, "lastError": kept.last_error}
    if kept.last_delivery_at_ms is not None:
        told["lastDeliveryAt"] = instant(kept.last_delivery_at_ms)
    if kept.failed_since_ms is not None:
        told["failedSince"] = instant(kept.failed_since_ms)
    return told
