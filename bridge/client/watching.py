"""What waits on a bridge's hooks, watched over HTTP: without server files and without Redis."""

import asyncio
import contextlib
import json
import math
import random
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, urlsplit

import httpx2

from bridge.backoff import delay_before
from bridge.errors import BridgeError
from bridge.formats.addresses import is_loopback

CONNECT_S = 10.0
SILENCE_S = 60.0
"""How long a stream may bring nothing; a bridge sends a sign of life every 20 s or sooner."""

LASTING_S = 5.0
"""A stream that has lasted so long, or has brought an event, is one that can be watched."""

AGAIN_S, AGAIN_MAX_S = 1.0, 30.0
FIRST_TRIES = 3
PAUSE_S, PAUSE_MAX_S = 30.0, 600.0
"""How soon a bridge tells an event again, at first and at most."""

REMEMBERED_MAX = 1000
STREAM = "text/event-stream"
LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
CHARS_SHOWN = 300
LINE_BYTES = 1 << 20
PROBLEM_BYTES = 1 << 16
NONE_GIVEN = "it wants a token; --token-env names the variable that holds one"
REFUSED = "the token is refused; it is none of this server's, or no more"


class CannotWatchError(BridgeError):
    """It cannot be watched, and trying again would change nothing."""


class _NotNowError(Exception):
    """It cannot be watched now; `after_s` says when to try again, where the bridge does."""

    def __init__(self, why: str, after_s: float = 0) -> None:
        super().__init__(why)
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class _Printed:
    """A line that was printed: from which stream, and until when it is not from another."""

    stream: int
    pause_s: float
    until: float


@dataclass(frozen=True)
class WatchedInbox:
    """What is watched: a server of the bridge at `url`, or one hook of it."""

    url: str
    server: str
    hook: str | None = None
    token: str = ""

    @property
    def address(self) -> str:
        """Return where its stream is."""
        asked = f"?hook={quote(self.hook, safe='')}" if self.hook is not None else ""
        return f"{self.url}/watch/{quote(self.server, safe='')}{asked}"


class Watcher:
    """Follows a stream through all that interrupts it.

    `say` is given a sentence when the bridge is lost, and one when it is back: a stream that breaks
    and is there again at the first try was not lost.

    Args:
        give_up_s: for how long a bridge that was there is waited for.
    """

    def __init__(
        self, watched: WatchedInbox, say: Callable[[str], None], give_up_s: float = math.inf
    ) -> None:
        self._watched = watched
        self._say = say
        self._give_up_s = give_up_s
        self._was_there = False
        self._is_lasting = False
        self._is_said_lost = False
        self._failures = 0
        self._lost_at = 0.0
        self._streams = 0
        self._told: dict[bytes, _Printed] = {}

    async def lines(self) -> AsyncGenerator[str, None]:
        """Yield each event that waits as a line of JSON.

        Raises:
            CannotWatchError: there is no such bridge, server or hook, or none any more; or the
                token is refused.
        """
        parts = urlsplit(self._watched.url)
        trust = httpx2.create_ssl_context() if parts.scheme == "https" else False
        timeout = httpx2.Timeout(CONNECT_S, read=SILENCE_S)
        is_near = is_loopback(parts.hostname or "")
        async with httpx2.AsyncClient(
            timeout=timeout, verify=trust, trust_env=not is_near, headers=self._headers()
        ) as http:
            while True:
                try:
                    async with contextlib.aclosing(self._stream(http)) as lines:
                        async for line in lines:
                            yield line
                    pause_s = AGAIN_S
                except _NotNowError as lost:
                    pause_s = self._lose(lost)
                await asyncio.sleep(pause_s)

    def _headers(self) -> dict[str, str]:
        token = self._watched.token
        asked = {"accept": STREAM, "accept-encoding": "identity"}
        return asked | ({"authorization": f"Bearer {token}"} if token else {})

    async def _stream(self, http: httpx2.AsyncClient) -> AsyncGenerator[str, None]:
        """Yield the lines of one answer, until it ends in good order."""
        url, self._is_lasting = self._watched.url, False
        self._streams += 1
        try:
            async with http.stream("GET", self._watched.address) as answer:
                await self._demand_stream(answer)
                lasting = asyncio.get_running_loop().call_later(LASTING_S, self._find_again)
                try:
                    async for line in self._lines(answer):
                        if line.startswith(b"data: {"):
                            self._find_again()
                            if not self._is_repeated(line):
                                yield line.removeprefix(b"data: ").decode()
                finally:
                    lasting.cancel()
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            why = f"nothing answers at {url} ({_words(error)})"
            if not self._was_there:
                mend = "is the bridge running, and is this its address?"
                raise CannotWatchError(f"{why}: {mend}") from error
            raise _NotNowError(why) from error
        if not self._is_lasting:
            raise _NotNowError(f"{url}: its stream ends as soon as it begins; is it a proxy's end?")

    def _is_repeated(self, line: bytes) -> bool:
        """Report whether an earlier stream has brought it, and it is not time to tell it again.

        A bridge tells at once what was told on a stream that has ended: to this one, where a proxy
        cuts its streams, each time.
        """
        now = asyncio.get_running_loop().time()
        before = self._told.get(line)
        if before and before.stream != self._streams and now < before.until:
            return True
        if len(self._told) >= REMEMBERED_MAX:
            self._told = {line: told for line, told in self._told.items() if now < told.until}
        pause_s = min(before.pause_s * 2, PAUSE_MAX_S) if before else PAUSE_S
        self._told[line] = _Printed(self._streams, pause_s, now + pause_s)
        return False

    async def _lines(self, answer: httpx2.Response) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a stream, which end at a line feed and at nothing else."""
        rest = b""
        async for chunk in answer.aiter_bytes():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line
            if len(rest) > LINE_BYTES:
                raise CannotWatchError(self._no_bridge("what it sends is no stream of events"))

    async def _demand_stream(self, answer: httpx2.Response) -> None:
        """See that an answer is a stream of events.

        Raises:
            CannotWatchError: it never will be.
            _NotNowError: it may be later.
        """
        kind = answer.headers.get("content-type", "")
        if answer.status_code == HTTPStatus.OK and kind.startswith(STREAM):
            return
        why = _detail(await _beginning(answer))
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status_code in LATER:
            said = why or f"it answers {answer.status_code}"
            raise _NotNowError(f"{self._watched.url}: {said}", _retry_after_s(answer))
        if why and answer.status_code == HTTPStatus.UNAUTHORIZED:
            why = REFUSED if self._watched.token else NONE_GIVEN
        if why:
            raise CannotWatchError(f"{self._watched.server} cannot be watched: {why}")
        where = f"it answers {answer.status_code}"
        if location := answer.headers.get("location"):
            where += f" and leads to {location[:CHARS_SHOWN]}"
        raise CannotWatchError(self._no_bridge(where))

    def _no_bridge(self, why: str) -> str:
        url = self._watched.url
        return f"there is no bridge at {url}, or one that cannot be watched yet: {why}"

    def _find_again(self) -> None:
        if self._is_said_lost:
            self._say(f"{self._watched.url} is there again")
        self._was_there = self._is_lasting = True
        self._is_said_lost, self._failures = False, 0

    def _lose(self, lost: _NotNowError) -> float:
        """Report once that the bridge is lost; return the seconds until it is tried again.

        Raises:
            CannotWatchError: it was waited for long enough.
        """
        now = asyncio.get_running_loop().time()
        self._lost_at = self._lost_at if self._failures else now
        self._failures += 1
        if (
            now - self._lost_at >= self._give_up_s
            if self._was_there
            else self._failures >= FIRST_TRIES
        ):
            raise CannotWatchError(str(lost))
        if self._was_there and self._failures > 1 and not self._is_said_lost:
            self._is_said_lost = True
            self._say(f"{lost}; trying again until it is there")
        own_s = delay_before(self._failures + 1, AGAIN_S, AGAIN_MAX_S, random.random())
        return max(own_s, min(lost.after_s, AGAIN_MAX_S))


async def _beginning(answer: httpx2.Response) -> bytes:
    """Return what an answer says, or as much of it as a problem document may be long."""
    body = b""
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > PROBLEM_BYTES:
            break
    return body[:PROBLEM_BYTES]


def _detail(body: bytes) -> str:
    """Return what a problem document says; empty where it is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    detail = document.get("detail") if isinstance(document, dict) else None
    return " ".join(str(detail).split())[:CHARS_SHOWN] if detail else ""


def _retry_after_s(answer: httpx2.Response) -> float:
    given = answer.headers.get("retry-after", "")
    return float(given) if re.fullmatch(r"[0-9]{1,9}", given) else 0


def _words(error: Exception) -> str:
    if isinstance(error, httpx2.ReadTimeout):
        return f"nothing came for {SILENCE_S:.0f} s; a proxy may hold back what it is sent"
    return str(error) or type(error).__name__
