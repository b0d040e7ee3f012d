"""A receiver of alerts on loopback, with a memory, and a file of alerts that names it."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.formats.signatures import is_signed, key_of
from bridge.local.ports import free_port
from tests.serving import serving_any
from tests.waiting import wait_until

KEY, SECRET = (
    "the-key-of-alerts",
    "whsec_" + base64.b64encode(b"a secret of alerts, 32 bytes long").decode(),
)


@dataclass
class AlertedReceiver:
    """What came; answers are 200 but for those in `answers`, used up in turn.

    While `gate` is clear, answers wait.
    """

    port: int = field(default_factory=free_port)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def url(self) -> str:
        """Return where it listens, once it does."""
        return f"http://127.0.0.1:{self.port}/alerts"

    def of(self, kind: str, rule: str | None = None) -> list[tuple[str, dict[str, Any]]]:
        """Return what came of a kind, each with its id."""
        return [
            (id_, event)
            for id_, event in self.told
            if event["type"] == kind and rule in (None, event.get("rule"))
        ]

    async def hears(
        self, kind: str, rule: str | None = None, count: int = 1, timeout_s: float = 30
    ) -> list[tuple[str, dict[str, Any]]]:
        """Wait until so many of a kind have come, and return them."""
        what = f"{count} of {kind} {rule or ''}"
        await wait_until(lambda: len(self.of(kind, rule)) >= count, what, timeout_s)
        return self.of(kind, rule)

    async def take(self, request: Request) -> Response:
        """Take an event that is signed and has the key."""
        body = await request.body()
        head = request.headers
        signed = (head["webhook-id"], head["webhook-timestamp"], body)
        assert is_signed(head["webhook-signature"], key_of(SECRET), *signed)
        assert head["x-key"] == KEY
        self.told.append((head["webhook-id"], json.loads(body)))
        await self.gate.wait()
        return self.answers.pop(0) if self.answers else JSONResponse({"message": "taken"})

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the block lasts."""
        app = Starlette(routes=[Route("/alerts", self.take, methods=["POST"])])
        async with serving_any(app, port=self.port):
            yield


@contextlib.asynccontextmanager
async def alerted() -> AsyncIterator[AlertedReceiver]:
    """Run a receiver."""
    receiver = AlertedReceiver()
    async with receiver.listening():
        yield receiver


def alert_file(receiver: AlertedReceiver, **rules: Any) -> dict[str, Any]:
    """Return a file of alerts with these rules, all of them for one receiver."""
    beat = rules.pop("heartbeat", None)
    return {
        "receivers": {
            "people": {
                "url": receiver.url,
                "auth": {"header": {"name": "X-Key", "value": "env:ALERTS_KEY"}},
                "standard_webhooks": "env:ALERTS_SECRET",
            }
        },
        "alerts": {
            name.replace("_", "-"): {"to": ["people"], **rule} for name, rule in rules.items()
        },
    } | ({"heartbeat": {"every": beat, "to": ["people"]}} if beat else {})


def alerting(folder: Path, receiver: AlertedReceiver, **rules: Any) -> dict[str, Any]:
    """Write such a file; returns the settings of a bridge that reads it."""
    file = folder / "alerts.yaml"
    file.write_text(yaml.safe_dump(alert_file(receiver, **rules)))
    return {"BRIDGE_ALERTS": str(file), "ALERTS_KEY": KEY, "ALERTS_SECRET": SECRET}
