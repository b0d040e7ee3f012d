"""`resources/subscribe` of the wires with sessions: which inboxes a client wants to hear of."""

import mcp_types as types
from mcp.shared.exceptions import MCPError

from bridge.mcp.addresses import hook_of_inbox
from bridge.mcp.exchange import Hearing
from bridge.mcp.refusals import refusing
from bridge.mcp.resources import unknown
from bridge.mcp.tools import Context


async def hear(context: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
    """Note that a session wants to hear of an inbox.

    Raises:
        MCPError: the address is no inbox's; what becomes of one event is not told.
    """
    hook = hook_of_inbox(context.lifespan_context.server, params.uri)
    if hook is None:
        raise unknown(context, params.uri, "only inboxes, event://{server}/{hook}, can be heard of")
    with refusing():
        await _hearing(context).hear(hook)
    return types.EmptyResult()


async def hear_no_more(
    context: Context, params: types.UnsubscribeRequestParams
) -> types.EmptyResult:
    """Note that a session has heard enough of an inbox; of one it never heard of, that is so."""
    if hook := hook_of_inbox(context.lifespan_context.server, params.uri):
        with refusing():
            await _hearing(context).hear_no_more(hook)
    return types.EmptyResult()


def _hearing(context: Context) -> Hearing:
    """Find where subscriptions are noted; every wire with sessions has such a place."""
    hearing = context.lifespan_context.hearing
    if hearing is None:
        raise MCPError(types.METHOD_NOT_FOUND, "Method not found", context.method)
    return hearing
