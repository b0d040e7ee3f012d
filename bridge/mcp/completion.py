"""Completion: what an argument of a prompt, or a part of a resource's address, may be."""

import mcp_types as types

from bridge.mcp.prompts import TONES
from bridge.mcp.tools import Context

VALUES_MAX = 100


async def complete(context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    """Offer what begins with what has been typed; nothing for what could be anything."""
    server = context.lifespan_context.server
    known: dict[str, dict[str, tuple[str, ...]]] = {
        "ref/prompt": {"tone": TONES},
        "ref/resource": {"server": (server.name,), "hook": tuple(server.hooks)},
    }
    offered = known[params.ref.type].get(params.argument.name, ())
    values = [value for value in offered if value.startswith(params.argument.value)]
    return types.CompleteResult(
        completion=types.Completion(
            values=values[:VALUES_MAX], total=len(values), has_more=len(values) > VALUES_MAX
        )
    )
