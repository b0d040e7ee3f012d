"""A web process that waits for its store turns nobody away for good."""

import asyncio
import signal
import socket
from pathlib import Path

import httpx2
import pytest

from bridge.local.ports import free_port
from bridge.local.valkey import EmbeddedValkey
from tests.processes import Running, run, running
from tests.waiting import wait_until

IN_TIME_S = 20.0
SESSION = {
    "authorization": "Bearer the-token-of-claude",
    "accept": "application/json, text/event-stream",
    "mcp-session-id": "one-that-may-exist",
}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def environ(port: int, redis_url: str) -> dict[str, str]:
    """Return the environment of a web process of the demo server."""
    return {
        "BRIDGE_PORT": str(port),
        "BRIDGE_REDIS_URL": redis_url,
        "BRIDGE_N8N_URL": "http://127.0.0.1:9",
        "BRIDGE_DEMO_TOKEN": "the-token-of-claude",
        "BRIDGE_DEMO_HOOK_TOKEN": "the-token-of-the-hook",
    }


async def listening(web: Running, http: httpx2.AsyncClient) -> None:
    """Wait until a process answers at all, ready or not."""

    async def is_alive() -> bool:
        assert web.process.returncode is None, web.output
        try:
            return (await http.get("/healthz")).status_code == 200
        except httpx2.TransportError:
            return False

    await wait_until(is_alive, "the process answers", 20)


@pytest.mark.parametrize(
    ("given", "options", "taken"),
    [
        ({"PORT": "{0}"}, (), "PORT counts where nothing else is said"),
        ({"PORT": "1", "BRIDGE_PORT": "{0}"}, (), "BRIDGE_PORT is said of the bridge alone"),
        ({"PORT": "1", "BRIDGE_PORT": "1"}, ("--port", "{0}"), "the option is nearest"),
    ],
)
async def test_the_port_is_that_of_the_option_then_of_bridge_port_then_of_port(
    given: dict[str, str], options: tuple[str, ...], taken: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        named = environ(port, "redis://127.0.0.1:9")
        del named["BRIDGE_PORT"]
        ports = {name: value.format(port) for name, value in given.items()}
        web = ("web", *(option.format(port) for option in options))
        status, said = await run(*web, environ=named | ports)
    assert status == 1
    assert said.startswith(f"cannot listen on 127.0.0.1 port {port}: "), taken


async def test_a_process_without_its_store_says_come_back_and_never_unknown(
    tmp_path: Path,
) -> None:
    port, store = free_port(), EmbeddedValkey(tmp_path)
    base_url = f"http://127.0.0.1:{port}"
    async with (
        running("web", environ=environ(port, store.url)) as web,
        httpx2.AsyncClient(base_url=base_url, timeout=20, trust_env=False) as http,
    ):
        await listening(web, http)

        async def says_why() -> bool:
            ready = await http.get("/readyz")
            assert ready.status_code == 503
            return "nothing listens at" in ready.text

        await wait_until(says_why, "the process has found out what is wrong")
        answer = await http.post("/mcp/demo", json=PING, headers=SESSION)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        waiting = asyncio.create_task(http.post("/mcp/demo", json=PING, headers=SESSION))
        async with store:
            assert (await waiting).status_code == 404
            assert (await http.get("/readyz")).status_code == 200


async def test_a_process_that_starts_can_be_stopped(tmp_path: Path) -> None:
    port = free_port()
    async with (
        running("web", environ=environ(port, f"redis://127.0.0.1:{free_port()}")) as web,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        await listening(web, http)
        web.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(IN_TIME_S):
            assert await web.ended() == 0
