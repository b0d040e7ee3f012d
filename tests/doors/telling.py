"""Tools that tell and ask what the suite's fixtures do not, and a user who answers."""

from collections.abc import Mapping
from dataclasses import dataclass

import mcp_types as types
from mcp.client.session import ClientRequestContext
from mcp.shared.message import ServerMessageMetadata

from tests.conformance.asking import Arguments, Context, say

FLOOD_PAGES = 60
PAGE_BYTES = 200_000


@dataclass(frozen=True)
class Accepting:
    """A user who enters the same whatever is asked."""

    content: Mapping[str, str]

    async def __call__(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        """Answer."""
        return types.ElicitResult(action="accept", content=dict(self.content))


async def aside(context: Context, _given: Arguments) -> types.CallToolResult:
    """Says something that belongs to no request."""
    params = types.LoggingMessageNotificationParams(level="info", data="By the way")
    await context.session.send_notification(types.LoggingMessageNotification(params=params))
    return say("Said it.")


async def flood(context: Context, _given: Arguments) -> types.CallToolResult:
    """Says more than the system holds back for a client that does not read."""
    for number in range(FLOOD_PAGES):
        said = {"level": "info", "data": f"{number}" + "." * PAGE_BYTES}
        await context.lifespan_context.notify("notifications/message", said)
    return say("Said it all.")


async def impatient(context: Context, _given: Arguments) -> types.CallToolResult:
    """Asks the user, and does not wait long for the answer."""
    params = types.ElicitRequestFormParams(
        message="Quick!", requested_schema={"type": "object", "properties": {}}
    )
    answer = await context.session.send_request(
        types.ElicitRequest(params=params),
        types.ElicitResult,
        request_read_timeout_seconds=0.05,
        metadata=ServerMessageMetadata(related_request_id=context.request_id),
    )
    return say(answer.action)
