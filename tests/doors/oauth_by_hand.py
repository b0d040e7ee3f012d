"""An OAuth client by hand and the person in front of it, against the bridge's own server."""

import base64
import contextlib
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from bridge.app import BridgeApp
from bridge.configuration.settings import Settings
from bridge.local.ports import free_port
from bridge.runtime import Runtime
from tests.doors.by_hand import ALICE, Message
from tests.doors.scoped import DESK
from tests.serving import serving

CALLBACK = "https://claude.ai/api/mcp/auth_callback"
OTHER = DESK.model_copy(update={"name": "other", "title": "Other <desk>"})


@dataclass
class OAuthClient:
    """One client at the bridge at `origin`, with a verifier of its own.

    `public_url` is what the bridge calls itself, where that is another address.
    """

    http: httpx2.AsyncClient
    origin: str
    server: str = DESK.name
    public_url: str = ""
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    client_id: str = ""

    @property
    def resource(self) -> str:
        """Name the MCP server."""
        return f"{self.public_url or self.origin}/mcp/{self.server}"

    @property
    def challenge(self) -> str:
        """Return what S256 makes of the verifier."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    async def register(self, *uris: str, **more: Any) -> httpx2.Response:
        """Register a client."""
        told = {"redirect_uris": uris or [CALLBACK], "client_name": "Claude <b>", **more}
        answer = await self.http.post(f"{self.origin}/register", json=told)
        self.client_id = answer.json().get("client_id", "")
        return answer

    async def authorize(self, **changes: str | None) -> httpx2.Response:
        """Open the address that a client sends the person to."""
        asked = {
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            "state": "s1",
            "scope": "read act",
            "resource": self.resource,
        } | changes
        kept = {name: value for name, value in asked.items() if value is not None}
        return await self.http.get(f"{self.origin}/authorize", params=kept)

    async def page(self, **changes: str | None) -> tuple[httpx2.Response, dict[str, str]]:
        """Open the consent page; give it and what its form holds."""
        answer = await self.authorize(**changes)
        assert answer.status_code == 302, answer.text
        page = await self.http.get(answer.headers["location"])
        return page, dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))

    async def answer(self, form: dict[str, str], **given: str) -> httpx2.Response:
        """Send the form."""
        data = form | {"token": ALICE, "answer": "yes"} | given
        headers = {"origin": self.public_url or self.origin}
        return await self.http.post(f"{self.origin}/consent", data=data, headers=headers)

    async def code(self, token: str = ALICE, **changes: str | None) -> str:
        """Have the person consent; returns the code."""
        _, form = await self.page(**changes)
        answer = await self.answer(form, token=token)
        assert answer.status_code == 303, answer.text
        return said(answer)["code"]

    async def exchange(self, code: str, **changes: str) -> httpx2.Response:
        """Ask for tokens with a code."""
        given = {"code": code, "redirect_uri": CALLBACK, "code_verifier": self.verifier}
        return await self.token(**({"grant_type": "authorization_code"} | given | changes))

    async def token(self, **given: str) -> httpx2.Response:
        """Speak to the token endpoint."""
        data = {"client_id": self.client_id, "resource": self.resource} | given
        return await self.http.post(f"{self.origin}/token", data=data)

    async def refresh(self, token: str, **changes: str) -> httpx2.Response:
        """Ask for new tokens with a refresh token."""
        return await self.token(grant_type="refresh_token", refresh_token=token, **changes)

    async def tokens(self, **changes: str) -> Message:
        """Go through the whole flow; returns the tokens."""
        if not self.client_id:
            await self.register()
        answer = await self.exchange(await self.code(**changes))
        assert answer.status_code == 200, answer.text
        told: Message = answer.json()
        return told

    async def status(self, token: str, path: str = "/mcp/desk") -> int:
        """Report what an MCP address answers whoever has this token; 401 is `not in`."""
        headers = {"authorization": f"Bearer {token}"}
        return (await self.http.post(self.origin + path, headers=headers)).status_code


@dataclass
class Flow(OAuthClient):
    """A client of a bridge that runs in this process."""

    app: BridgeApp = field(kw_only=True)

    @property
    def runtime(self) -> Runtime:
        """What the bridge works with."""
        runtime: Runtime = self.app.runtime
        return runtime

    async def let_pass(self, ms: int) -> None:
        """Have the time of refresh tokens that will end come nearer."""
        redis = self.runtime.redis
        async for grant in redis.scan_iter("{bridge}:oauth_grant:*"):
            lines: dict[bytes, bytes] = await redis.hgetall(grant)  # type: ignore[assignment]
            for name, line in lines.items():
                *told, ends_at = line.decode().split()
                if name.startswith(b"refresh:") and ends_at != "0":
                    await redis.hset(
                        grant, name.decode(), " ".join((*told, str(int(ends_at) - ms)))
                    )


async def kept_of_oauth(flow: Flow) -> set[str]:
    """Name the keys in Redis that OAuth has."""
    keys = flow.runtime.redis.scan_iter("{bridge}:oauth_*")
    return {key.decode() async for key in keys}


def said(answer: httpx2.Response) -> dict[str, str]:
    """Read what a redirect says."""
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


@contextlib.asynccontextmanager
async def open_flow(redis_url: str, path: str = "", **given: Any) -> AsyncIterator[Flow]:
    """Serve two servers with OAuth on, and give a client that has not registered yet."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    settings = Settings(
        **{"redis_url": redis_url, "oauth": "built-in", "keepalive_s": 0.1}
        | {"public_url": origin + path}
        | given
    )
    app = BridgeApp(settings, {DESK.name: DESK, OTHER.name: OTHER})
    async with serving(app, port) as address, httpx2.AsyncClient(timeout=20) as http:
        assert address == origin
        yield Flow(http, origin + path, app=app)
