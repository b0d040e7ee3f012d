"""What a process has promised a session is done however long the store is away."""

import asyncio
import logging
from pathlib import Path

import pytest

from bridge.configuration.settings import Settings
from bridge.local.valkey import EmbeddedValkey
from bridge.models import new_call_id
from bridge.runtime import open_runtime
from bridge.verbs.sessions import STANDING
from tests.waiting import wait_until


async def test_a_request_that_its_client_wants_no_more_is_dropped_once_the_store_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {}}
    async with EmbeddedValkey(tmp_path) as valkey:
        settings = Settings(redis_url=valkey.url)
        async with open_runtime(settings, {}, "web", patience_s=0.1) as runtime:
            stream = runtime.mcp.sessions.stream("a-session", STANDING)
            await valkey.stop()
            dropping = asyncio.create_task(stream.drop(message, new_call_id()))
            await wait_until(lambda: "outbox.waiting" in caplog.messages, "the store is away")
            await valkey.start()
            await dropping
