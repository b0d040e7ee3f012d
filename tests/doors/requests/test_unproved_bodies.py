"""Bodies whose senders nobody knows yet: none is read that need not be, and the others are few."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx2
import pytest
from pydantic import SecretStr

from bridge.app import BridgeApp
from bridge.configuration.credentials import BearerAuth, GithubAuth
from bridge.configuration.servers import Hook, Server
from bridge.configuration.settings import Settings
from bridge.errors import TransientError
from bridge.formats.signatures import sign_as_github
from bridge.net.request_body import FREE_BYTES, BodyBudget
from tests.serving import serving
from tests.waiting import wait_until

BODY = 1024 * 1024
SECRET, TOKEN = "github-secret-of-the-tests", "hook-token-of-the-tests"
GITHUB, BEARER = GithubAuth(secret=SecretStr(SECRET)), BearerAuth(token=SecretStr(TOKEN))
SERVER = Server(
    name="desk",
    hooks={
        "signed": Hook(name="signed", auth=(GITHUB,)),
        "either": Hook(name="either", auth=(GITHUB, BEARER)),
    },
)
FORGED = {"x-hub-signature-256": "sha256=" + 64 * "0"}


@pytest.fixture
def app(redis_url: str) -> BridgeApp:
    return BridgeApp(Settings(redis_url=redis_url, max_body_bytes=BODY), {SERVER.name: SERVER})


@pytest.fixture
async def web(app: BridgeApp) -> AsyncIterator[str]:
    async with serving(app) as address:
        yield address


@dataclass
class Slow:
    """A body whose last byte waits."""

    size: int
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b" " * (self.size - 1)
        await self.gate.wait()
        yield b" "


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/nowhere", {}, 404),
        ("/hooks/desk/none", FORGED, 404),
        ("/hooks/desk/signed", {}, 401),
        ("/hooks/desk/signed", {"x-hub-signature-256": "sha256=short"}, 401),
        ("/hooks/desk/either", {"authorization": "Bearer wrong"}, 401),
        ("/callbacks/call_x?token=wrong", {}, 404),
        ("/mcp/none", {}, 404),
        ("/events/evt_x/redrive", {"authorization": "Bearer wrong", "via": "x"}, 404),
    ],
)
async def test_who_and_where_come_before_the_body(
    web: str, http: httpx2.AsyncClient, path: str, headers: dict[str, str], status: int
) -> None:
    """The answer is there while the body is not."""
    slow = Slow(BODY)
    answer = await _begin(web, path, headers, slow)
    assert f" {status} ".encode() in answer


async def _begin(web: str, path: str, headers: dict[str, str], slow: Slow) -> bytes:
    """Send all but the last byte of a request; return the first line of the answer."""
    url = httpx2.URL(web)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    told = {"host": "localhost", "content-length": str(slow.size), **headers}
    head = [f"POST {path} HTTP/1.1", *(f"{name}: {text}" for name, text in told.items())]
    writer.write("\r\n".join([*head, "", ""]).encode() + b" " * (slow.size - 1))
    async with asyncio.timeout(20):
        line = await reader.readline()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return line


async def test_forged_bodies_are_held_up_to_their_share_and_signed_ones_come_in_beside_them(
    web: str, http: httpx2.AsyncClient, app: BridgeApp
) -> None:
    small, long = b" " * (FREE_BYTES // 2) + b"1", b" " * (BODY - 1) + b"1"
    held = app.web.body_budget._held
    path = f"{web}/hooks/desk/signed"
    slow = Slow(BODY)
    sending = asyncio.create_task(http.post(path, content=slow.__aiter__(), headers=FORGED))
    await wait_until(lambda: held[("all",)] > BODY - FREE_BYTES - 2, "a forged body is held")
    for _ in range(8):
        assert (await http.post(path, content=long, headers=FORGED)).status_code == 503
    assert held[("all",)] < BODY

    signed = {"x-hub-signature-256": sign_as_github(SECRET, small)}
    assert (await http.post(path, content=small, headers=signed)).status_code == 202
    signed = {"x-hub-signature-256": sign_as_github(SECRET, long)}
    assert (await http.post(path, content=long, headers=signed)).status_code == 202  # proved before

    token = {"authorization": f"Bearer {TOKEN}"}
    answer = await http.post(f"{web}/hooks/desk/either", content=long, headers=token)
    assert answer.status_code == 202

    slow.gate.set()
    assert (await sending).status_code == 401
    assert not held


@contextlib.contextmanager
def holding(budget: BodyBudget, hook: str, client: str, size: int) -> Iterator[None]:
    with budget.holding(hook, (client,)) as hold:
        hold.grow_to(FREE_BYTES + size)
        yield


def fits(budget: BodyBudget, hook: str, client: str) -> bool:
    try:
        with holding(budget, hook, client, BODY // 2):
            return True
    except TransientError:
        return False


def test_strangers_leave_room_for_other_hooks_and_for_who_has_proved_itself() -> None:
    budget = BodyBudget(BODY)
    with budget.holding("a", ("known",)) as hold:
        hold.is_proved()
    with holding(budget, "a", "stranger", BODY):
        assert not fits(budget, "a", "another")
        assert not fits(budget, "b", "stranger")
        assert fits(budget, "b", "another")
        assert fits(budget, "a", "known")
        with holding(budget, "b", "another", BODY):
            assert not fits(budget, "c", "a third")
            assert fits(budget, "a", "known")
    assert fits(budget, "a", "another")


def test_few_are_remembered_who_proved_themselves() -> None:
    budget = BodyBudget(BODY)
    for number in range(3000):
        with budget.holding("a", (f"sender {number}",)) as hold:
            hold.is_proved()
    assert len(budget._proved) == 1000
