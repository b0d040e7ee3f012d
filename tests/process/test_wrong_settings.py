"""Whatever is wrong where a command starts is a sentence with what to mend, and status 1 or 2."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bridge.cli.up import keep_all, plan
from bridge.errors import ConfigurationError
from tests.commands import run

OPERATING = ("events ls", "calls ls", "replies ls", "tokens ls")
STARTING = ("up", "web", "worker")
EVERY = (*STARTING, "check", *OPERATING)
NOBODY = "redis://127.0.0.1:1/0"
SOUND = {
    "BRIDGE_DEMO_TOKEN": "the-token-of-claude",
    "BRIDGE_DEMO_HOOK_TOKEN": "the-token-of-n8n",
    "BRIDGE_N8N_URL": "http://127.0.0.1:5678",
    "BRIDGE_REDIS_URL": NOBODY,
}
MADE_UP = {"BRIDGE_DEMO_TOKEN": "", "BRIDGE_REDIS_URL": ""}

Make = Callable[[Path], dict[str, str]]


def data_dir(content: str | bytes | None = None, file: str = "") -> Make:
    """Make a data folder with a file in it, or a file in its place; None makes a folder."""

    def make(folder: Path) -> dict[str, str]:
        at = folder / "data" / file
        at.parent.mkdir(exist_ok=True)
        if content is None:
            at.mkdir()
        else:
            at.write_bytes(content.encode() if isinstance(content, str) else content)
        return {**MADE_UP, "BRIDGE_DATA_DIR": str(folder / "data")}

    return make


def under_a_file(folder: Path) -> dict[str, str]:
    (folder / "file").touch()
    return {**MADE_UP, "BRIDGE_DATA_DIR": str(folder / "file" / "data")}


def dotenv(content: bytes | None) -> Make:
    """Make a `.env` in the folder where the command starts; None makes a folder."""

    def make(folder: Path) -> dict[str, str]:
        if content is None:
            (folder / ".env").mkdir()
        else:
            (folder / ".env").write_bytes(content)
        return {}

    return make


def servers(content: bytes | None) -> Make:
    """Make a folder with one server file; None makes a folder in its place."""

    def make(folder: Path) -> dict[str, str]:
        (folder / "servers").mkdir()
        file = folder / "servers" / "s.yaml"
        if content is None:
            file.mkdir()
        else:
            file.write_bytes(content)
        return {"BRIDGE_SERVERS": str(folder / "servers")}

    return make


def setting(**changes: str) -> Make:
    return lambda _folder: changes


def redis(url: str) -> Make:
    return setting(BRIDGE_REDIS_URL=url)


FAULTS: dict[str, tuple[Make, tuple[str, ...], str]] = {
    "a file for a data folder": (
        data_dir(b""),
        ("up", *OPERATING),
        " cannot be used: a file is where a folder must be; ",
    ),
    "a data folder under a file": (under_a_file, ("up", *OPERATING), "a folder must be; "),
    "a data folder that cannot be made": (
        setting(**MADE_UP, BRIDGE_DATA_DIR="/proc/nowhere"),
        ("up",),
        "/proc/nowhere cannot be used: ",
    ),
    "no data in the folder": (
        setting(**MADE_UP, BRIDGE_DATA_DIR="/nowhere"),
        OPERATING,
        "there is no bridge to look at: ",
    ),
    "tokens that are torn": (data_dir("{", "demo-tokens.json"), ("up",), "remove it, and `up`"),
    "tokens of another shape": (
        data_dir('["x"]', "demo-tokens.json"),
        ("up",),
        "demo-tokens.json does not hold the demo's tokens",
    ),
    "a folder for the tokens": (
        data_dir(None, "demo-tokens.json"),
        ("up",),
        "demo-tokens.json cannot be used: Is a directory",
    ),
    "a .env that is no UTF-8": (dotenv(b"BRIDGE_PORT=\xff"), EVERY, ".env cannot be read: it must"),
    "a folder for .env": (dotenv(None), EVERY, ".env cannot be read: Is a directory"),
    "a line that sets nothing": (dotenv(b"A=1\nBRIDGE_PORT\n"), EVERY, ".env:2: the line must"),
    "a server file that is no UTF-8": (
        servers(b"name: \xff"),
        (*STARTING, "check"),
        "the file is not in UTF-8 from here on: save it as UTF-8",
    ),
    "a folder for a server file": (
        servers(None),
        (*STARTING, "check"),
        "s.yaml:1: the file cannot be read: Is a directory",
    ),
    "a folder of server files that is not there": (
        setting(BRIDGE_SERVERS="/nowhere"),
        (*STARTING, "check"),
        "/nowhere:1: the file cannot be read: it is not there; ",
    ),
    "a setting that there is not": (
        setting(BRIDGE_NONSENSE="1"),
        EVERY,
        "BRIDGE_NONSENSE is no setting; ",
    ),
    "a wrong value": (
        setting(BRIDGE_LOG="loud"),
        EVERY,
        "BRIDGE_LOG must be 'console' or 'json'; ",
    ),
    "a setting that there is not, in .env": (
        dotenv(b"BRIDGE_NONSENSE=1\n"),
        EVERY,
        "BRIDGE_NONSENSE is no setting; ",
    ),
    "a host of another machine": (
        setting(BRIDGE_HOST="192.0.2.1"),
        ("up", "web"),
        "cannot listen on 192.0.2.1 port 8080: Cannot assign requested address; ",
    ),
    "a host that nobody knows": (
        setting(BRIDGE_HOST="nowhere.invalid"),
        ("up", "web"),
        "cannot listen on nowhere.invalid port 8080: ",
    ),
    "a Redis address without sense": (
        redis("redis://127.0.0.1:port/0"),
        (*STARTING, *OPERATING),
        "BRIDGE_REDIS_URL must read redis://",
    ),
    "a Redis option that there is not": (
        redis("redis://127.0.0.1:1/0?nonsense=1"),
        OPERATING,
        "BRIDGE_REDIS_URL has an option after its ?",
    ),
    "a Redis that nobody runs": (
        redis(NOBODY),
        ("events ls",),
        "nothing listens at the address that BRIDGE_REDIS_URL leads to; ",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_is_wrong_is_one_sentence_that_says_what_to_mend(
    fault: str, tmp_path: Path
) -> None:
    make, commands, sentence = FAULTS[fault]
    environ = SOUND | {"BRIDGE_SERVERS": str(Path("config/servers").resolve())} | make(tmp_path)
    for command in commands:
        status, said = await run(*command.split(), environ=environ, folder=tmp_path)
        assert (status, said.count("\n")) == (1, 1), f"{command}: {said}"
        assert sentence in said, command


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("command", ["up", "web"])
async def test_a_taken_port_is_one_sentence(command: str, taken_port: int) -> None:
    status, said = await run(command, environ=SOUND | {"BRIDGE_PORT": str(taken_port)})
    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith(f"cannot listen on 127.0.0.1 port {taken_port}: Address already in use")


async def test_up_starts_nothing_on_a_redis_that_can_be_no_store(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        await client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            planned = plan(SOUND | {"BRIDGE_REDIS_URL": redis_url, "BRIDGE_PORT": "0"})
            with pytest.raises(ConfigurationError, match="may evict"):
                await keep_all(planned)
        finally:
            await client.config_set("maxmemory-policy", "noeviction")
        assert await client.dbsize() <= 1
