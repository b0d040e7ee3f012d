"""Ends what was opened with a token once that token is good for nothing any more."""

import contextlib

from bridge.errors import TransientError
from bridge.mcp.wires.event_stream import OpenStreams
from bridge.runtime import Runtime
from bridge.store.tokens import REVOKED


async def end_revoked(runtime: Runtime, streams: OpenStreams) -> None:
    """Cut this process's streams whose token is revoked or expired, for as long as it runs.

    Requests need no such care, for each brings its token along. A lost wake is made up for within
    a keepalive interval.
    """
    with runtime.wakes.listening(REVOKED) as bell:
        while True:
            await bell.wait(runtime.settings.keepalive_s)
            for token in streams.tokens():
                with contextlib.suppress(TransientError):
                    digest, server = token
                    if not await runtime.entrance.still_admits(digest, runtime.servers[server]):
                        streams.cut(token)
