"""A backup is read from one Redis, from its beginning to its end."""

import pytest
from redis.asyncio import Redis

from bridge.errors import StoreUnavailableError
from bridge.store import backup
from bridge.store.backup import BackupStore
from bridge.store.pool import connected_to
from tests.store.records import WEB, Desk, desk

EVENTS = 50


async def test_what_one_server_was_asked_for_in_part_no_other_is_asked_to_go_on_with(
    redis_url: str, redis: Redis, web: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "SCANNED", 5)
    for _ in range(EVENTS):
        await web.accept()
    with connected_to(redis_url) as client:
        async with desk(client, WEB) as opened:
            records = BackupStore(opened.steps, client).records()
            await anext(records)
            # As when Redis is replaced: connections are made again, perhaps to another server.
            await redis.client_kill_filter(_type="normal", skipme=True)
            with pytest.raises(StoreUnavailableError):
                async for _record in records:
                    pass
