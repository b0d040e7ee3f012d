"""`dev --tunnel`: a public address by cloudflared, which a program plays that says what it says."""

import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest

from bridge.authoring.development.tunnel import SETTINGS, open_tunnel
from tests import commands
from tests.process.test_dev import settings_of, welcomed
from tests.processes import children_of, is_gone, running

PUBLIC = "https://four-words-of-theirs.trycloudflare.com"
SAYS = """
INF Requesting new quick Tunnel on trycloudflare.com...
INF +----------------------------------------------------------------------------------------+
INF |  Your quick Tunnel has been created! Visit it at (it may take some time to be reachable): |
INF |  {address}                                   |
INF +----------------------------------------------------------------------------------------+
"""
REFUSED = (
    'failed to request quick Tunnel: Post "https://api.trycloudflare.com/tunnel": no such host'
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return settings_of(tmp_path)


def cloudflared(folder: Path, says: str, then: str) -> dict[str, str]:
    """Put a program on the path that says this and does that."""
    program = folder / "bin" / "cloudflared"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {folder}/asked\ncat >&2 <<.\n{says}\n.\n{then}\n')
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


def environment_of(pid: int) -> Mapping[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


async def test_the_bridge_is_reached_by_the_tunnels_address_until_both_end(
    environ: dict[str, str], tmp_path: Path
) -> None:
    says = SAYS.format(address=PUBLIC)
    path = cloudflared(tmp_path, says, f"echo $$ > {tmp_path}/pid; exec sleep 600")
    async with running("dev", "--fake-n8n", "--tunnel", environ=environ | path) as dev:
        await welcomed(dev)
        assert dev.has_said(f"transport http support {PUBLIC}/mcp/support")
        asked = (tmp_path / "asked").read_text().split()
        assert asked[-2:] == ["--url", f"http://127.0.0.1:{environ['BRIDGE_PORT']}"]
        assert not dev.has_said("The console is open")
        async with httpx2.AsyncClient(trust_env=False) as http:
            for host in ("127.0.0.1", PUBLIC.removeprefix("https://")):
                answer = await http.get(
                    f"http://127.0.0.1:{environ['BRIDGE_PORT']}/console", headers={"host": host}
                )
                assert answer.status_code == 404
        web = environment_of(children_of(dev.process.pid)["web"])
        assert ({"BRIDGE_PUBLIC_URL": PUBLIC} | SETTINGS).items() <= web.items()
        pid = int((tmp_path / "pid").read_text())
        dev.process.send_signal(signal.SIGINT)
        assert await dev.ended() == 0
        assert is_gone(pid)


async def test_the_end_of_a_tunnel_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cloudflared(tmp_path, SAYS.format(address=PUBLIC), "exit 3")
    monkeypatch.setenv("PATH", path["PATH"])
    told: list[str] = []
    async with open_tunnel("http://127.0.0.1:9") as tunnel:
        await tunnel.watch(told.append)
    (sentence,) = told
    assert sentence.startswith(f"cloudflared has ended with status 3: {PUBLIC} leads nowhere")


@pytest.mark.parametrize(
    ("says", "then", "told"),
    [
        (None, "", "--tunnel needs the program cloudflared, which is not on PATH: install it "),
        (REFUSED, "exit 1", "cloudflared has ended without giving an address: failed to request "),
        (
            "x" * 100_000,
            "exit 1",
            f"cloudflared has ended without giving an address: {'x' * 300}\n",
        ),
        (
            "\x1b]0;t\x07",
            "exit 1",
            r"cloudflared has ended without giving an address: \x1b]0;t\x07",
        ),
    ],
)
async def test_no_tunnel_is_one_sentence_and_nothing_starts(
    environ: dict[str, str], tmp_path: Path, says: str | None, then: str, told: str
) -> None:
    path = {"PATH": str(tmp_path)} if says is None else cloudflared(tmp_path, says, then)
    status, printed = await commands.run("dev", "--tunnel", environ=environ | path)
    assert status == 1
    assert printed.startswith(told)
    assert printed.count("\n") == 1
    assert not (tmp_path / "data").exists()


async def test_what_listens_on_the_port_already_is_not_made_public(
    environ: dict[str, str], tmp_path: Path
) -> None:
    path = cloudflared(tmp_path, SAYS.format(address=PUBLIC), "")
    with socket.create_server(("127.0.0.1", int(environ["BRIDGE_PORT"]))):
        status, printed = await commands.run("dev", "--tunnel", environ=environ | path)
    assert (status, printed.count("\n")) == (1, 1)
    assert printed.startswith(f"cannot listen on 127.0.0.1 port {environ['BRIDGE_PORT']}: ")
    assert not (tmp_path / "asked").exists()
