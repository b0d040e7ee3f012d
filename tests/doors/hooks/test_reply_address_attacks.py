"""An attacker's list of reply addresses: none is requested, by any door or worker.

Real listeners count: one at n8n's place, and one elsewhere on every address of this machine.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from bridge.configuration.credentials import BearerAuth
from bridge.configuration.servers import Hook, Server
from bridge.local.ports import free_port
from bridge.models import EventId, LeaseRef, Principal, Reply, ReplyStatus
from bridge.n8n.client import N8n
from tests.apps import RunningApp, running_app, there
from tests.raw_server import RawServer, listening, raw_server
from tests.waiting import wait_until
from workers.jobs import deliver_reply

DESK = Server(name="desk", hooks={"letters": Hook(auth=(BearerAuth(token=SecretStr("hook")),))})
ALICE = Principal("desk", "alice")
WAITING = "/webhook-waiting/7?signature=s3cr3t"
SECRET = "s3cr3t"

ELSEWHERE = {
    "another port": "http://127.0.0.1:{else_}{waiting}",
    "another host": "http://127.0.0.2:{else_}{waiting}",
    "n8n as a user name": "http://127.0.0.1:{n8n}@127.0.0.1:{else_}{waiting}",
    "n8n as user and password": "http://127.0.0.1:{n8n}:x@127.0.0.1:{else_}{waiting}",
    "an escaped at sign": "http://127.0.0.1:{n8n}%40127.0.0.1:{else_}{waiting}",
    "a backslash": "http://127.0.0.1:{n8n}\\@127.0.0.1:{else_}{waiting}",
    "a backslash as a slash": "http://127.0.0.1:{else_}\\@127.0.0.1:{n8n}{waiting}",
    "a fragment": "http://127.0.0.1:{else_}#@127.0.0.1:{n8n}{waiting}",
    "a question mark": "http://127.0.0.1:{else_}?@127.0.0.1:{n8n}{waiting}",
    "no scheme": "//127.0.0.1:{else_}{waiting}",
    "a scheme in capitals": "HTTP://127.0.0.1:{else_}{waiting}",
    "https": "https://127.0.0.1:{else_}{waiting}",
    "IPv6": "http://[::1]:{else_}{waiting}",
    "IPv6-mapped": "http://[::ffff:127.0.0.1]:{else_}{waiting}",
    "IPv6-mapped in hex": "http://[::ffff:7f00:1]:{else_}{waiting}",
    "IPv6-mapped n8n": "http://[::ffff:127.0.0.1]:{n8n}{waiting}",
    "IPv6 with a zone": "http://[::1%25lo]:{else_}{waiting}",
    "any address": "http://0.0.0.0:{n8n}{waiting}",
    "a short number": "http://127.1:{n8n}{waiting}",
    "a decimal number": "http://2130706433:{n8n}{waiting}",
    "a hexadecimal number": "http://0x7f000001:{n8n}{waiting}",
    "an octal number": "http://0177.0.0.1:{n8n}{waiting}",
    "a name that resolves to n8n": "http://localhost:{n8n}{waiting}",
    "a name with a dot": "http://localhost.:{n8n}{waiting}",
    "the machine's own name": "http://{host}:{n8n}{waiting}",
    "a name below n8n's": "http://127.0.0.1.evil.invalid:{n8n}{waiting}",
    "a port with a zero before it": "http://127.0.0.1:0{n8n}{waiting}",
    "port zero": "http://127.0.0.1:0{waiting}",
    "an empty port": "http://127.0.0.1:{waiting}",
    "a port above all": "http://127.0.0.1:6{n8n}9{waiting}",
    "a port in other digits": "http://127.0.0.1:\u0661\u0662{waiting}",
    "a host in other digits": "http://\u2460\u2461\u2466.0.0.1:{n8n}{waiting}",
    "a full-width dot": "http://127\u30020.0.1:{n8n}{waiting}",
    "an escaped host": "http://%31%32%37.0.0.1:{n8n}{waiting}",
    "a file": "file:///etc/passwd",
    "a file of n8n": "file://127.0.0.1:{n8n}{waiting}",
    "gopher": "gopher://127.0.0.1:{else_}{waiting}",
    "a socket": "unix:///var/run/docker.sock",
    "data": "data:text/plain,x",
    "a tab in the host": "http://127.0.0.1\t:{n8n}{waiting}",
    "a line end": "http://127.0.0.1:{n8n}/webhook-waiting/7\r\nHost: evil.invalid",
    "a bare line feed": "http://127.0.0.1:{n8n}/webhook-waiting/7\nX: y",
    "an escaped line end": "http://127.0.0.1:{n8n}/webhook-waiting/7%0d%0aHost:%20evil",
    "an escaped null": "http://127.0.0.1:{n8n}/webhook-waiting/7%00",
    "a way up": "http://127.0.0.1:{n8n}/webhook-waiting/../rest/users",
    "an escaped way up": "http://127.0.0.1:{n8n}/webhook-waiting/%2e%2e/rest/users",
    "a half escaped way up": "http://127.0.0.1:{n8n}/webhook-waiting/.%2E/rest/users",
    "a way up escaped twice": "http://127.0.0.1:{n8n}/webhook-waiting/%252e%252e/rest/users",
    "a way up escaped often": "http://127.0.0.1:{n8n}/webhook-waiting/%25252525252e./rest",
    "a way up with an escaped slash": "http://127.0.0.1:{n8n}/webhook-waiting/..%2frest/users",
    "a way up with a backslash": "http://127.0.0.1:{n8n}/webhook-waiting/..%5crest/users",
    "a way up with a parameter": "http://127.0.0.1:{n8n}/webhook-waiting/..;/rest/users",
    "a way up with an escaped parameter": "http://127.0.0.1:{n8n}/webhook-waiting/..%3bx/rest",
    "a way up in full width": "http://127.0.0.1:{n8n}/webhook-waiting/%EF%BC%8E%EF%BC%8E/rest",
    "a way up in overlong bytes": "http://127.0.0.1:{n8n}/webhook-waiting/%c0%ae%c0%ae/rest",
    "another path": "http://127.0.0.1:{n8n}/webhook/7",
    "n8n's API": "http://127.0.0.1:{n8n}/api/v1/executions",
    "a path that only begins alike": "http://127.0.0.1:{n8n}/webhook-waiting-evil/7",
    "a path before it": "http://127.0.0.1:{n8n}//webhook-waiting/7",
}


@dataclass(frozen=True)
class Stage:
    """A bridge, its n8n, and a place that no reply may ever go to."""

    door: RunningApp
    n8n: RawServer
    elsewhere: RawServer

    def spelled(self, pattern: str) -> str:
        return pattern.format(
            n8n=self.n8n.port, else_=self.elsewhere.port, waiting=WAITING, host=socket.gethostname()
        )

    async def send(self, reply_url: str) -> tuple[int, str]:
        """Post an event that names a reply address, as raw header bytes."""
        headers = [
            (b"authorization", b"Bearer hook"),
            (b"content-type", b"application/json"),
            (b"bridge-reply-url", reply_url.encode()),
        ]
        response = await self.door.client.post("/hooks/desk/letters", content=b"1", headers=headers)
        return response.status_code, response.text

    async def answered(self) -> EventId:
        """Answer the next event, as Claude does."""
        taken = await self.door.runtime.mcp.takers.take(DESK, ALICE, None, 0, there)
        assert taken
        event_id = taken.event.event_id
        await self.door.runtime.mcp.events.reply(
            DESK, LeaseRef(event_id, taken.token, ALICE), "yes"
        )
        return event_id

    async def delivered(self, event_id: EventId) -> Reply:
        """Have a worker do its job."""
        async with N8n() as n8n:
            await deliver_reply(self.door.runtime.workers, n8n, event_id)
        return (await self.door.runtime.mcp.events.find("desk", event_id)).reply


@asynccontextmanager
async def everywhere() -> AsyncIterator[RawServer]:
    """Listen on every address of this machine, of all its families."""
    server = RawServer(port=free_port())
    async with listening(server, None):
        yield server


@pytest.fixture
async def stage(redis_url: str) -> AsyncIterator[Stage]:
    async with (
        raw_server() as n8n,
        everywhere() as elsewhere,
        running_app(redis_url, DESK, n8n_url=n8n.url) as door,
    ):
        yield Stage(door, n8n, elsewhere)


async def test_the_listeners_count(stage: Stage) -> None:
    for port in (stage.n8n.port, stage.elsewhere.port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
    await wait_until(lambda: stage.n8n.connections and stage.elsewhere.connections, "both counted")


@pytest.mark.parametrize("trick", ELSEWHERE)
async def test_a_trick_is_refused_at_the_door_and_nothing_is_stored(
    stage: Stage, trick: str
) -> None:
    status, text = await stage.send(stage.spelled(ELSEWHERE[trick]))

    assert status == 422
    assert SECRET not in text
    assert await stage.door.runtime.mcp.takers.take(DESK, ALICE, None, 0, there) is None
    assert (stage.n8n.connections, stage.elsewhere.connections) == (0, 0)


@pytest.mark.parametrize("trick", ELSEWHERE)
async def test_a_trick_that_got_into_the_records_is_not_requested_either(
    stage: Stage, trick: str
) -> None:
    assert (await stage.send(stage.n8n.url + WAITING))[0] == 202
    event_id = await stage.answered()
    planted = stage.spelled(ELSEWHERE[trick])
    await stage.door.runtime.redis.hset(f"{{bridge}}:reply:{event_id}", "url", planted)

    reply = await stage.delivered(event_id)

    assert reply.status is ReplyStatus.DEAD
    assert SECRET not in (reply.last_failure or "")
    assert (stage.n8n.connections, stage.elsewhere.connections) == (0, 0)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_a_redirect_leads_nowhere(stage: Stage, status: int) -> None:
    location = f"http://127.0.0.1:{stage.elsewhere.port}{WAITING}"
    head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    stage.n8n.answer = head.encode()
    await stage.send(stage.n8n.url + WAITING)

    reply = await stage.delivered(await stage.answered())

    assert reply.status is ReplyStatus.DEAD
    assert "redirect" in (reply.last_failure or "")
    assert (stage.n8n.connections, stage.elsewhere.connections) == (1, 0)


@pytest.mark.parametrize(
    "target",
    [
        WAITING,
        "/webhook-waiting/7?signature=s3cr3t/reply",
        "/webhook-waiting/7/reply?signature=s3cr3t&next=http://127.0.0.1:{else_}/",
        "/webhook-waiting/7//127.0.0.1:{else_}/?x=../..",
        "/webhook-waiting/http://127.0.0.1:{else_}/",
        "/webhook-waiting/7@127.0.0.1:{else_}",
        "/webhook-waiting/%41%2f?%0d%0aX:%20y",
    ],
)
async def test_whatever_follows_the_origin_is_sent_to_n8n_as_it_came(
    stage: Stage, target: str
) -> None:
    target = target.format(else_=stage.elsewhere.port)
    assert (await stage.send(stage.n8n.url + target))[0] == 202

    reply = await stage.delivered(await stage.answered())

    assert reply.status is ReplyStatus.DELIVERED
    assert stage.n8n.target == target.encode()
    assert stage.n8n.headers["host"] == f"127.0.0.1:{stage.n8n.port}"
    assert (stage.n8n.connections, stage.elsewhere.connections) == (1, 0)


async def test_no_proxy_of_the_environment_sees_a_reply(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{stage.elsewhere.port}")
    await stage.send(stage.n8n.url + WAITING)

    reply = await stage.delivered(await stage.answered())

    assert reply.status is ReplyStatus.DELIVERED
    assert stage.elsewhere.connections == 0


async def test_a_name_that_the_operator_gave_is_asked_for_by_that_name(redis_url: str) -> None:
    async with everywhere() as n8n:
        named = f"http://localhost:{n8n.port}"
        async with running_app(redis_url, DESK, n8n_url=named) as door:
            stage = Stage(door, n8n, n8n)
            assert (await stage.send(named.replace("localhost", "127.0.0.1") + WAITING))[0] == 422
            assert (await stage.send(named.replace("localhost", "LOCALHOST") + WAITING))[0] == 202

            reply = await stage.delivered(await stage.answered())

    assert reply.status is ReplyStatus.DELIVERED
    assert n8n.headers["host"] == f"localhost:{n8n.port}"
    assert n8n.connections == 1


async def test_the_refusal_of_another_spelling_names_the_setting_that_allows_it(
    stage: Stage,
) -> None:
    other = f"http://localhost:{stage.n8n.port}"
    _, text = await stage.send(other + WAITING)
    assert f"add {other} to BRIDGE_REPLY_ORIGINS" in text
