"""The port: free for a bridge, or taken by one."""

import json
from collections.abc import AsyncIterator

import httpx2

from bridge.authoring.diagnosis.setup import Setup
from bridge.diagnosis.checks import asking
from bridge.diagnosis.observations import Observation, right, wrong
from bridge.errors import ConfigurationError
from bridge.local.ports import listen

OTHER = "end what listens there, or choose others with BRIDGE_HOST and BRIDGE_PORT"


async def check_port(setup: Setup) -> AsyncIterator[Observation]:
    """Look whether the port is free; if it is not, ask who has it."""
    subject = f"{setup.settings.host} port {setup.settings.port}"
    try:
        listen(setup.settings.host, setup.settings.port).close()
    except ConfigurationError as error:
        async for seen in _of_holder(setup, subject, str(error)):
            yield seen
    else:
        yield right("port", subject, "it is free: no bridge runs there now")


async def _of_holder(setup: Setup, subject: str, why: str) -> AsyncIterator[Observation]:
    async with asking() as http:
        alive = await _answer(http, f"{setup.local_url}/healthz")
        if alive.get("status") != "alive":
            sentence = why.partition(";")[0]
            yield wrong("port.taken", subject, f"{sentence}, and not by a bridge", OTHER)
            return
        ready = await _answer(http, f"{setup.local_url}/readyz")
    if ready.get("status") == "ready":
        yield right("port", subject, "a bridge runs there, and is ready")
    else:
        reason = ready.get("reason", "it does not say why")
        yield wrong(
            "port.not_ready", subject, f"the bridge there is not ready: {reason}", "see its log"
        )


async def _answer(http: httpx2.AsyncClient, url: str) -> dict[str, object]:
    try:
        read = json.loads((await http.get(url)).content)
    except (httpx2.HTTPError, OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
