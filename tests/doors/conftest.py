"""Two web processes on real ports, one Redis, and an HTTP client that knows nothing of MCP."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx2
import pytest
from pydantic import SecretStr

from bridge.app import BridgeApp
from bridge.configuration.credentials import BearerAuth, Token
from bridge.configuration.servers import Hook, Server, Workflow
from bridge.configuration.settings import Settings
from bridge.runtime import Runtime
from tests.conformance.endpoint import NAME as FIXTURES
from tests.conformance.endpoint import FixtureDoor
from tests.doors.by_hand import ALICE, BOB, N8N, Session, open_session
from tests.doors.telling import aside, flood, impatient
from tests.standing import Webs

KEEPALIVE_S = 0.1

DESK = Server(
    name="desk",
    title="The desk",
    description="What the tests work at.",
    tokens=(
        Token(name="alice", value=SecretStr(ALICE)),
        Token(name="bob", value=SecretStr(BOB)),
    ),
    hooks={
        "letters": Hook(
            description="Letters from readers; answer with thanks.",
            auth=(BearerAuth(token=SecretStr(N8N)),),
            reply={"type": "string"},
        )
    },
    workflows={
        "stamp": Workflow(
            url="http://127.0.0.1:9/webhook/stamp",
            description="Stamps a letter.",
            input={
                "type": "object",
                "properties": {"letter": {"type": "string"}},
                "required": ["letter"],
                "additionalProperties": False,
            },
            answer_inline_for_s=0,
        )
    },
)


@pytest.fixture
def no_minute_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the clock of the brake, which forgets what it counted when a minute is over."""
    monkeypatch.setattr("bridge.auth.throttle.time", SimpleNamespace(monotonic=lambda: 600_030.0))


@pytest.fixture
def settings(redis_url: str) -> Settings:
    """Return what every process of the test is told."""
    return Settings(redis_url=redis_url, keepalive_s=KEEPALIVE_S, max_body_bytes=100_000)


def build(settings: Settings) -> BridgeApp:
    """Build an app with a server of the product's own kind, and one with the suite's fixtures."""
    fixtures = Server(name=FIXTURES)
    app = BridgeApp(settings, {DESK.name: DESK, FIXTURES: fixtures})
    app.mcp.endpoints[FIXTURES] = FixtureDoor(fixtures, aside, flood, impatient)
    return app


@pytest.fixture(scope="module")
async def webs_of_module() -> AsyncIterator[Webs]:
    """Return the web processes that stand while the tests of a module come and go."""
    async with Webs() as webs:
        yield webs


@pytest.fixture
async def webs(webs_of_module: Webs, redis_url: str) -> AsyncIterator[Webs]:
    """Return them on an empty store, each as good as new."""
    assert redis_url
    yield webs_of_module
    await webs_of_module.rest()


@pytest.fixture
async def app(settings: Settings, webs: Webs) -> BridgeApp:
    """Return the app of one web process."""
    return await webs.app(build, settings)


@pytest.fixture
async def web(app: BridgeApp, webs: Webs) -> AsyncIterator[str]:
    """Return the address of one web process."""
    async with webs.serving(app) as address:
        yield address


@pytest.fixture
async def runtime(web: str, app: BridgeApp) -> Runtime:
    """Return what the one web process works with."""
    assert web
    opened: Runtime = app.runtime
    return opened


@pytest.fixture
async def other_web(settings: Settings, webs: Webs) -> AsyncIterator[str]:
    """Return the address of another web process on the same Redis."""
    async with webs.serving(await webs.app(build, settings, 1)) as address:
        yield address


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client with patience."""
    async with httpx2.AsyncClient(timeout=20) as client:
        yield client


@pytest.fixture
async def session(web: str, http: httpx2.AsyncClient) -> Session:
    """Return a session of alice's at the desk."""
    return await open_session(http, f"{web}/mcp/desk")


@pytest.fixture
async def fixtures(web: str, http: httpx2.AsyncClient) -> Session:
    """Return a session at the suite's fixtures."""
    return await open_session(http, f"{web}/mcp/{FIXTURES}")
