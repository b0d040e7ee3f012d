"""What waits on a bridge's hooks, watched over HTTP: without server files and without Redis."""

import asyncio
import contextlib
import json
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
"""How long a stream may bring nothing: four signs of life, as a bridge sends them by default."""

AGAIN_S, AGAIN_MAX_S = 1.0, 30.0
STREAM = "text/event-stream"
LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
CHARS_SHOWN = 300
NONE_GIVEN = "it wants a token; --token-env names the variable that holds one"
REFUSED = "the token is refused; it is none of this server's, or no more"


class CannotWatchError(BridgeError):
    """It cannot be watched, and trying again would change nothing."""


class _NotNowError(Exception):
    """It cannot be watched now; `after_s` says when to try again, where the bridge does."""

    def __init__(self, why: str, after_s: float = 0) -> None:
        super().__init__(why)
        self.after_s = after_s


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

    `say` is given a sentence when the bridge is lost, and one when it is back.
    """

    def __init__(self, watched: WatchedInbox, say: Callable[[str], None]) -> None:
        self._watched = watched
        self._say = say
        self._was_there = False
        self._failures = 0

    async def lines(self) -> AsyncGenerator[str, None]:
        """Yield each event that waits as a line of JSON.

        Raises:
            CannotWatchError: there is no such bridge, server or hook, or the token is refused.
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
        return {"accept": STREAM} | ({"authorization": f"Bearer {token}"} if token else {})

    async def _stream(self, http: httpx2.AsyncClient) -> AsyncGenerator[str, None]:
        """Yield the lines of one answer, until it ends in good order."""
        try:
            async with http.stream("GET", self._watched.address) as answer:
                await self._demand_stream(answer)
                self._find_again()
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        yield line.removeprefix("data: ")
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            why = f"nothing answers at {self._watched.url} ({_words(error)})"
            if not self._was_there:
                mend = "is the bridge running, and is this its address?"
                raise CannotWatchError(f"{why}: {mend}") from error
            raise _NotNowError(why) from error

    async def _demand_stream(self, answer: httpx2.Response) -> None:
        """See that an answer is a stream of events.

        Raises:
            CannotWatchError: it never will be.
            _NotNowError: it may be later.
        """
        kind = answer.headers.get("content-type", "")
        if answer.status_code == HTTPStatus.OK and kind.startswith(STREAM):
            return
        why = _detail(await answer.aread())
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
        raise CannotWatchError(
            f"there is no bridge at {self._watched.url}, or one that cannot be watched yet: {where}"
        )

    def _find_again(self) -> None:
        if self._failures:
            self._say(f"{self._watched.url} is there again")
        self._was_there, self._failures = True, 0

    def _lose(self, lost: _NotNowError) -> float:
        """Report once that the bridge is lost; return the seconds until it is tried again."""
        self._failures += 1
        if self._failures == 1:
            self._say(f"{lost}; trying again until it is there")
        own_s = delay_before(self._failures + 1, AGAIN_S, AGAIN_MAX_S, random.random())
        return max(own_s, min(lost.after_s, AGAIN_MAX_S))


def _detail(body: bytes) -> str:
    """Return what a problem document says; empty where it is none."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    detail = document.get("detail") if isinstance(document, dict) else None
    return " ".join(str(detail).split())[:CHARS_SHOWN] if detail else ""


def _retry_after_s(answer: httpx2.Response) -> float:
    given = answer.headers.get("retry-after", "")
    return float(given) if re.fullmatch(r"[0-9]{1,9}", given) else 0


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
