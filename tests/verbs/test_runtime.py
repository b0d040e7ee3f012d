"""A process opens what it needs and closes all of it, whatever Redis does meanwhile."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from bridge import runtime as runtime_module
from bridge.configuration.settings import Settings
from bridge.errors import ConfigurationError
from bridge.local.valkey import EmbeddedValkey
from bridge.runtime import Runtime, open_runtime
from tests.verbs.desk import DESK, send, take
from tests.waiting import wait_until

SERVERS = {DESK.name: DESK}


async def test_a_process_that_ended_leaves_no_connection_and_no_trace(settings: Settings) -> None:
    assert settings.redis_url
    async with Redis.from_url(settings.redis_url) as redis:
        before = len(await redis.client_list())
        async with open_runtime(settings, SERVERS, "web", 5) as runtime:
            await send(runtime)
            assert len(await redis.client_list()) > before

        async def is_quiet() -> bool:
            return len(await redis.client_list()) == before

        await wait_until(is_quiet, "every connection is closed")
        assert await redis.exists("{bridge}:processes") == 0


async def test_a_process_that_ends_with_an_event_in_hand_hands_it_on(
    web: Runtime, settings: Settings
) -> None:
    event_id = await send(web)
    async with open_runtime(settings, SERVERS, "web", 5) as ending:
        taken = await take(ending)
        assert taken

    (dead_process,) = await web.stores.processes.dead()

    assert dead_process.process == ending.process
    assert dead_process.held == (("event", event_id, taken.token),)


async def test_a_process_ends_though_its_redis_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_module, "LEAVE_S", 0.1)
    async with (
        EmbeddedValkey(tmp_path) as server,
        open_runtime(Settings(redis_url=server.url), SERVERS, "worker", 3600),
    ):
        await server.stop()


async def test_an_option_of_the_redis_address_that_there_is_not_stops_the_start(
    settings: Settings,
) -> None:
    for option in ("ssl_ca_cert=/ca.pem", "socket_timeout=soon"):
        mistaken = settings.model_copy(
            update={"redis_url": f"redis://:secret@127.0.0.1:9/0?{option}"}
        )
        with pytest.raises(ConfigurationError, match=option.partition("=")[0]) as refused:
            async with open_runtime(mistaken, SERVERS, "web", 5):
                pass
        assert "secret" not in str(refused.value)
