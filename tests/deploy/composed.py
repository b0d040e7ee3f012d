"""What Docker Compose starts, as processes: the same commands, environment and nginx.

Only what containers have of their own differs. Each web has an address of loopback, all the same
port; their names come from a DNS server that tells them as Docker's does.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from bridge.local.die_with_parent import tied_to_parent
from bridge.local.ports import free_port
from tests.bridge_processes import Child, end_of_text, has_started
from tests.deploy.compose import services
from tests.deploy.names import telling
from tests.processes import ROOT
from tests.proxies.programs import PROGRAMS, exchanged
from tests.waiting import wait_until

NGINX = PROGRAMS[0]
CONFIGURATION = ROOT / "config" / "deploy" / "nginx.conf"
START_S = 20.0


@dataclass
class Composed:
    """The services `web-*` and `worker-*` as processes, behind the nginx of `proxy` at `origin`."""

    folder: Path
    services: dict[str, dict[str, Any]]
    port: int
    http: httpx2.AsyncClient
    origin: str = ""
    addresses: dict[str, list[str]] = field(default_factory=lambda: {"web": []})
    children: dict[str, Child] = field(default_factory=dict)
    _made: int = 0

    async def start(self, name: str) -> None:
        """Start a service: a web has another address each time, as a container made anew has."""
        self._made += 1
        address, service = f"127.0.1.{self._made}", self.services[name]
        is_web = name.startswith("web")
        environ = {**outside(), **service["environment"], "BRIDGE_DATA_DIR": str(self.folder)}
        if is_web:
            assert (environ["BRIDGE_HOST"], environ["BRIDGE_PORT"]) == ("0.0.0.0", "8080")
            environ |= {"BRIDGE_HOST": address, "BRIDGE_PORT": str(self.port)}
            self.addresses["web"].append(address)
        is_ready = self._answers if is_web else has_started
        child = Child(name, command_of(service), environ, self.folder, is_ready)
        child.url = f"http://{address}:{self.port}"
        self.children[name] = child
        await child.start()

    async def stop(self, name: str) -> None:
        """Stop a service as Docker does, which forgets its address once it has ended."""
        child = self.children[name]
        child.send_signal(signal.SIGTERM)
        assert await child.ended() == 0, end_of_text(child.log)
        if name.startswith("web"):
            self.addresses["web"].remove(httpx2.URL(child.url).host)

    async def replace(self, name: str) -> None:
        """Stop a service and start it anew, as `docker compose up --no-deps SERVICE` does."""
        await self.stop(name)
        await self.start(name)

    async def _answers(self, web: Child) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return (await self.http.get(f"{web.url}/readyz")).is_success
        return False


def command_of(service: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a service runs, with a port of its own for its numbers, as a container has."""
    own = {
        "--metrics-port=9100": f"--metrics-port={free_port()}",
        "--metrics-host=0.0.0.0": "--metrics-host=127.0.0.1",
    }
    return tuple(own.get(part, part) for part in service["command"])


def outside() -> dict[str, str]:
    """Return this environment without anything of a bridge."""
    return {name: value for name, value in os.environ.items() if "BRIDGE_" not in name}


@contextlib.asynccontextmanager
async def composed(folder: Path, dotenv: Mapping[str, str]) -> AsyncIterator[Composed]:
    """Run all that Compose starts but n8n and Valkey, with this `.env`, and end it in the end."""
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as http:
        whole = Composed(folder, services(dotenv), free_port(), http)
        names = [name for name in whole.services if name.startswith(("web", "worker"))]
        try:
            await asyncio.gather(*map(whole.start, names))
            async with telling(whole.addresses) as resolver, nginx(whole, resolver) as origin:
                whole.origin = origin
                yield whole
        except BaseException as error:
            for child in whole.children.values():
                error.add_note(f"--- {child.name}\n{end_of_text(child.log)}")
            raise
        finally:
            for child in whole.children.values():
                child.end()
            await asyncio.gather(*(child.ended() for child in whole.children.values()))


@contextlib.asynccontextmanager
async def nginx(whole: Composed, resolver: str) -> AsyncIterator[str]:
    """Run the nginx of Compose by its own configuration; returns its address."""
    port = free_port()
    text = exchanged(CONFIGURATION.read_text(), "listen 8080;", f"listen 127.0.0.1:{port};")
    text = exchanged(text, "resolver 127.0.0.11 ", f"resolver {resolver} ")
    (whole.folder / "nginx.conf").write_text(exchanged(text, ":8080;", f":{whole.port};"))
    (whole.folder / "main").write_text(NGINX.around(whole.folder, port))
    assert NGINX.path is not None
    arguments = [argument.format(folder=whole.folder) for argument in NGINX.arguments]
    log = whole.folder / "nginx.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *tied_to_parent(NGINX.path, *arguments), stdout=output, stderr=output
        )

    async def passes() -> bool:
        assert process.returncode is None, log.read_text()
        with contextlib.suppress(httpx2.TransportError):
            return (await whole.http.get(f"http://127.0.0.1:{port}/readyz")).is_success
        return False

    try:
        await wait_until(passes, "nginx passes requests on", START_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()
