"""Which client speaks which of the wires over HTTP."""

import contextlib
from collections.abc import AsyncIterator

from tests.chaos.asking import Claude, Client
from tests.chaos.modern import ModernClaude
from tests.chaos.resuming import ResumingClaude
from tests.chaos.standing import StandingClaude

WIRES = ("2026", "2025", "2025-only", "sse-by-name", "sse-by-id")


@contextlib.asynccontextmanager
async def claude_on(wire: str, client: Client) -> AsyncIterator[Claude]:
    """Connect a client on its wire while the block lasts."""
    match wire:
        case "2026":
            yield ModernClaude(client)
        case "2025":
            yield ResumingClaude(client, "mcp")
        case "2025-only":
            yield ResumingClaude(client, "mcp-2025")
        case _:
            standing = StandingClaude(client, says_where=wire.endswith("by-id"))
            async with standing.connected():
                yield standing
