"""What the store knows that a diagnosis needs; nothing is written, and it may be away."""

import contextlib
from collections.abc import AsyncIterator

from bridge.auth.authentication import digest_of
from bridge.authoring.diagnosis.setup import Setup
from bridge.errors import BridgeError
from bridge.store.pool import connected_to
from bridge.store.steps import Steps
from bridge.store.tokens import TokenStore

PATIENCE_S = 2.0


async def has_tokens_on_record(setup: Setup, server: str) -> bool | None:
    """Report whether a server has tokens that a command made; None where nobody knows."""
    with contextlib.suppress(BridgeError):
        async with _tokens(setup) as tokens:
            return await tokens.is_guarded(server) if tokens else None
    return None


async def is_on_record(setup: Setup, server: str, token: str) -> bool | None:
    """Report whether a token is one that a command made for a server; None where nobody knows."""
    with contextlib.suppress(BridgeError):
        async with _tokens(setup) as tokens:
            return bool(await tokens.find(digest_of(token), server)) if tokens else None
    return None


@contextlib.asynccontextmanager
async def _tokens(setup: Setup) -> AsyncIterator[TokenStore | None]:
    if setup.redis_url is None:
        yield None
        return
    with connected_to(setup.redis_url) as redis:
        steps = Steps(redis, PATIENCE_S)
        async with steps.running():
            yield TokenStore(steps)
