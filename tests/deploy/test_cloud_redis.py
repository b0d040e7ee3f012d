"""The user of Redis that docs/deploying.md gives the bridge."""

from pathlib import Path

from tests.apps import running_app
from tests.commands import run
from tests.deploy.cloud_redis import cloud_redis

COMMANDS = ("events ls", "calls ls --count", "events redrive --status dead", "pause", "tokens ls")


async def test_the_user_of_the_docs_may_do_all_that_operators_do_and_sees_how_full_redis_is(
    tmp_path: Path,
) -> None:
    async with cloud_redis(tmp_path) as url:
        async with running_app(url) as app:
            told = (await app.client.get("/metrics")).text
        ended = {
            command: await run(*command.split(), environ={"BRIDGE_REDIS_URL": url})
            for command in COMMANDS
        }

    assert "\nn8n_bridge_redis_memory_bytes " in told, "beyond its memory every event is refused"
    assert {command: said for command, (status, said) in ended.items() if status} == {}
