"""What must hold behind a reverse proxy, tried with clients on every wire."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.attached import own_result
from tests.bridge_processes import (
    HOOK_PATH,
    HOOK_TOKEN,
    SERVER,
    TOKEN,
    Bridge,
    running_bridge,
)
from tests.chaos.asking import Ask
from tests.chaos.asking import Client as Claude
from tests.chaos.questions import HOOK
from tests.chaos.rolling import Restarts, roll
from tests.chaos.scale import NOBODY
from tests.chaos.server_file import SERVER as CHAOS
from tests.chaos.server_file import server_file
from tests.chaos.standing import StandingClaude
from tests.chaos.storm import storm
from tests.claude import WIRES, Spread, Wire, claude, closing, use
from tests.doors.by_hand import authorization, events
from tests.proxies.programs import Program
from tests.proxy import proxying

MIB = 2**20
CEILING_S = 100.0
CALL_S = 40
POSTERS = 2
PATIENCE_S = 30.0

Trial = Callable[[Bridge, str], Awaitable[None]]


@dataclass(frozen=True)
class Tried:
    """One promise: how it is tried, after what silence is cut, and how often the bridge speaks."""

    promise: str
    trial: Trial
    silence_s: float | None = None
    keepalive_s: int = 15


@dataclass(frozen=True)
class Verdict:
    """How one promise was kept behind one program; `wrong` is empty where it was."""

    program: str
    promise: str
    wrong: str


async def try_all(folder: Path, programs: list[Program]) -> list[Verdict]:
    """Try each promise behind each program, all that one bridge can serve at once."""
    verdicts: list[Verdict] = []
    for keepalive_s in dict.fromkeys(tried.keepalive_s for tried in TRIED):
        own = folder / f"keepalive-{keepalive_s}"
        own.mkdir()
        settings = {"BRIDGE_KEEPALIVE_S": str(keepalive_s)}
        async with running_bridge(own, webs=0, workers=0, **settings) as bridge:
            file = own / "servers" / f"{CHAOS}.json"
            file.write_text(json.dumps(server_file(bridge.n8n_url)))
            for add in (bridge.add_web, bridge.add_web, bridge.add_worker):
                await add()
            verdicts += await asyncio.gather(
                *(
                    _try(tried, program, own / f"{program.name}-{number}", bridge)
                    for number, tried in enumerate(TRIED)
                    if tried.keepalive_s == keepalive_s
                    for program in programs
                )
            )
    return verdicts


async def _try(tried: Tried, program: Program, folder: Path, bridge: Bridge) -> Verdict:
    wrong = ""
    try:
        async with program.running(folder, ports_of(bridge), tried.silence_s) as url:
            await tried.trial(bridge, url)
    except (AssertionError, httpx2.HTTPError, TimeoutError, MCPError, ExceptionGroup) as error:
        wrong = _sentence(error)
    return Verdict(program.name, tried.promise, wrong)


def a_call_of(seconds: float) -> Trial:
    """Return a trial that makes a call of that length on every wire at once."""

    async def trial(_bridge: Bridge, url: str) -> None:
        async def on(wire: Wire) -> None:
            async with claude(SERVER, TOKEN, wire, Spread([url]), url) as client:
                told = await use(client, "inline", label=wire, seconds=seconds)
                assert told["label"] == wire, told

        await asyncio.gather(*map(on, WIRES))

    return trial


async def streams_as_they_are_written(_bridge: Bridge, url: str) -> None:
    """Read three signs of life off a stream on which nothing else comes."""
    async with (
        httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http,
        asyncio.timeout(PATIENCE_S),
        http.stream("GET", f"{url}/sse/{SERVER}", headers=authorization(TOKEN)) as answer,
    ):
        signs = 0
        async for event in events(answer):
            signs += event.comment is not None
            if signs == 3:
                return


async def bodies(_bridge: Bridge, url: str) -> None:
    """Send 15 MiB, which is taken, and more than there may be, which is refused.

    Caddy cuts off a sender that still sends when the refusal comes, as servers in Go do.
    """
    headers = {"authorization": f"Bearer {HOOK_TOKEN}", "content-type": "text/plain"}
    async with httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
        taken = await http.post(url + HOOK_PATH, content=b"x" * (15 * MIB), headers=headers)
        assert taken.status_code == 202, taken.text
        with contextlib.suppress(httpx2.TransportError):
            long = await http.post(url + HOOK_PATH, content=b"x" * (20 * MIB), headers=headers)
            assert long.status_code == 413, long.text


async def metrics_are_no_one_s(_bridge: Bridge, url: str) -> None:
    """Ask for the metrics from outside."""
    async with httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
        for path in ("/metrics", "/metrics/"):
            assert (await http.get(url + path)).status_code in (401, 403, 404)


async def a_held_request(bridge: Bridge, url: str) -> None:
    """Wait for a reply that takes longer than proxies let a server be silent by default."""
    headers = {"authorization": f"Bearer {HOOK_TOKEN}", "prefer": "wait=70"}
    async with httpx2.AsyncClient(timeout=100, trust_env=False) as http:
        answer = await http.post(url + HOOK_PATH, json={"held": url}, headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")


async def a_ceiling(bridge: Bridge, url: str) -> None:
    """Make calls across the end that every connection has, in front of the proxy."""
    port = urlsplit(url).port or 0
    async with proxying(port, ceiling_s=CEILING_S) as ceiling, asyncio.TaskGroup() as group:
        group.create_task(_resumed(ceiling.url))
        group.create_task(_reattached(ceiling.url))


async def _resumed(url: str) -> None:
    http = httpx2.AsyncClient(headers=authorization(TOKEN), timeout=300, trust_env=False)
    transport = closing(http, streamable_http_client(f"{url}/mcp-2025/{SERVER}", http_client=http))
    async with Client(transport, mode="legacy", read_timeout_seconds=300) as client:
        told = await use(client, "inline", label="resumed", seconds=CEILING_S + 15)
        assert told["label"] == "resumed"


async def _reattached(url: str) -> None:
    async with httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
        name = f"ceiling-{urlsplit(url).port}"
        standing = StandingClaude(Claude(http, url, name, Random(0)), says_where=False)
        async with standing.connected():
            for number in range(round(CEILING_S / CALL_S) + 1):
                answer = await standing.ask(Ask("once", {"label": number, "seconds": CALL_S}))
                told = own_result(answer["result"]["structuredContent"]) or {}
                assert told["label"] == number, answer


TRIED = (
    Tried("streams come as they are written", streams_as_they_are_written, keepalive_s=8),
    Tried("15 MiB are taken, 20 MiB refused", bodies),
    Tried("nobody reads the metrics", metrics_are_no_one_s),
    Tried("silence is cut at 10 s: a call of 25 s", a_call_of(25), 10, keepalive_s=8),
    Tried("silence is cut at 30 s: a call of 45 s", a_call_of(45), 30),
    Tried("`Prefer: wait=70` is silent for so long", a_held_request),
    Tried("every connection ends after 100 s: calls across it", a_ceiling),
)


@dataclass
class Posted:
    """How many events were sent while processes were replaced, and which were not taken."""

    count: int = 0
    failures: list[str] = field(default_factory=list)

    async def keep_posting(self, url: str, stop: asyncio.Event) -> None:
        """Send one event after the other, every other on a connection of its own."""
        kept = httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False)
        async with kept:
            while not stop.is_set():
                self.count += 1
                async with httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as fresh:
                    await self._post(kept if self.count % 2 else fresh, url)

    async def _post(self, http: httpx2.AsyncClient, url: str) -> None:
        headers = {"authorization": f"Bearer {HOOK_TOKEN}"}
        try:
            answer = await http.post(url + HOOK, json={"number": self.count}, headers=headers)
        except httpx2.TransportError as error:
            self.failures.append(f"POST {self.count}: {error!r}")
        else:
            if answer.status_code != 202:
                self.failures.append(f"POST {self.count}: {answer.status_code}")


async def rolling(folder: Path, program: Program, rounds: int, clients: int) -> Restarts:
    """Replace every process in turn behind a program, as the docs say, under POSTs and calls.

    The calls count in `calls`, and the POSTs with them.
    """
    async with (
        storm(folder, "proxies", NOBODY, **program.settings) as quiet,
        program.running(folder / program.name, ports_of(quiet.bridge)) as url,
    ):
        for proxy in (*quiet.proxies, quiet.steady):
            proxy.url = url
        posted, stop = Posted(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(POSTERS):
                group.create_task(posted.keep_posting(url, stop))
            done = await roll(quiet, rounds, clients)
            stop.set()
    done.failures += posted.failures
    done.calls += posted.count
    return done


def ports_of(bridge: Bridge) -> list[int]:
    """Return where the web processes listen."""
    return [urlsplit(web.url).port or 0 for web in bridge.webs]


def _sentence(end: BaseException) -> str:
    """Return what went wrong, the innermost of a group of errors, on one line."""
    while isinstance(end, BaseExceptionGroup):
        end = end.exceptions[0]
    return " ".join((f"{type(end).__name__}: {end}").split())[:300]
