"""A receiver of the Events extension's webhooks: over TLS, with a memory and a sharp eye."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.net.public_http import PublicHttp
from tests.doors.by_hand import Message
from tests.tls import HERE, serving_tls
from tests.waiting import wait_until

NAME = "receiver.example"
SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of a secret key").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of another key!").decode()


@dataclass
class Receiver:
    """What came to `url`; answers are 200 but for those in `answers`, which are used up in turn.

    While `gate` is clear, answers wait.
    """

    url: str
    trust: ssl.SSLContext
    says_back: bool = True
    answers: list[int] = field(default_factory=list)
    secrets: tuple[str, ...] = (SECRET,)
    proofs: int = 0
    messages: list[Message] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def http(self) -> PublicHttp:
        """Return what may ask here, and believes this server's certificate."""

        async def resolve(_host: str, _port: int) -> list[str]:
            return [HERE]

        return PublicHttp(lambda host: host == HERE, self.trust, resolve)

    @property
    def told(self) -> list[str]:
        """Name the events told, in the order they came."""
        return [message["eventId"] for message in self.messages if "eventId" in message]

    async def heard(self, count: int, timeout_s: float = 10) -> None:
        """Wait for so many messages."""
        await wait_until(lambda: len(self.messages) >= count, f"{count} messages", timeout_s)

    async def take(self, request: Request) -> Response:
        """Take a message, or a proof."""
        body = await request.body()
        self._check(request, body)
        message = json.loads(body)
        if message.get("type") == "verification":
            self.proofs += 1
            return JSONResponse({"challenge": message["challenge"]} if self.says_back else {})
        self.messages.append(message)
        self.ids.append(request.headers["webhook-id"])
        self.headers.append(dict(request.headers))
        await self.gate.wait()
        return Response("taken", self.answers.pop(0) if self.answers else 200)

    def _check(self, request: Request, body: bytes) -> None:
        """Hold the signatures to the scheme, one for each secret.

        Source: Standard Webhooks 1.0, "Signature scheme".
        """
        head = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
        right = [
            base64.b64encode(hmac.digest(_key(each), head.encode() + body, hashlib.sha256)).decode()
            for each in self.secrets
        ]
        given = request.headers["webhook-signature"].split(" ")
        assert given == [f"v1,{signature}" for signature in right]
        assert request.headers["content-type"] == "application/json"


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


@asynccontextmanager
async def receiving(folder: Path, name: str = NAME) -> AsyncIterator[Receiver]:
    """Receive while the block lasts, by a certificate for `name`, which lies in `folder`."""
    found: dict[str, Any] = {}

    async def take(request: Request) -> Response:
        response: Response = await found["receiver"].take(request)
        return response

    app = Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])
    async with serving_tls(app, folder, name) as (port, trust):
        found["receiver"] = Receiver(f"https://{name}:{port}/hooks/desk?who=alice", trust)
        yield found["receiver"]
