"""The Procfile, as honcho runs it, and whether the image finds its processes well."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx2

from bridge.local.ports import free_port
from tests.deploy.dockerfile import steps
from tests.processes import Running, running
from tests.waiting import wait_until

HONCHO = (sys.executable, "-m", "honcho")
START_S = 30.0


async def test_honcho_starts_two_of_each_which_drain_before_it_would_kill_them(
    redis_url: str, tmp_path: Path
) -> None:
    port = free_port()
    environ = {
        "BRIDGE_DEMO_TOKEN": "the-token-of-claude",
        "BRIDGE_DEMO_HOOK_TOKEN": "the-token-of-the-hook",
        "BRIDGE_REDIS_URL": redis_url,
        "BRIDGE_N8N_URL": "http://localhost:5678",
        "BRIDGE_DATA_DIR": str(tmp_path),
        "BRIDGE_DRAIN_S": "3",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    }
    async with honcho(port, environ) as started, httpx2.AsyncClient(trust_env=False) as http:

        async def are_ready() -> bool:
            with contextlib.suppress(httpx2.TransportError):
                urls = (f"http://127.0.0.1:{each}/readyz" for each in (port, port + 1))
                return all([(await http.get(url)).is_success for url in urls])
            return False

        await wait_until(are_ready, "both webs are ready", START_S)
        ports = (port, port + 1, free_port())
        assert [await is_healthy(each) for each in ports] == [True, True, False]
        await wait_until(lambda: started.output.count('"worker.started"') == 2, "workers", START_S)
    drained = re.findall(r'(\w+\.\d) +\| .*"process\.stopped"', started.output)
    assert sorted(drained) == ["web.1", "web.2", "worker.1", "worker.2"], started.output


async def is_healthy(port: int) -> bool:
    """Run what the image asks of a web process in it."""
    (asked,) = (rest for step, rest in steps() if step == "HEALTHCHECK")
    program, *arguments = json.loads(asked.partition("CMD ")[2])
    assert program == "python"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={"BRIDGE_PORT": str(port)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait() == 0


@contextlib.asynccontextmanager
async def honcho(port: int, environ: Mapping[str, str]) -> AsyncIterator[Running]:
    """Run it in the checkout, and have it end all that it started in the end."""
    command = ("start", "--no-colour", "--port", str(port), "--concurrency", "web=2,worker=2")
    async with running(*command, environ=environ, program=HONCHO) as started:
        try:
            yield started
        finally:
            started.process.terminate()
            await started.ended()
