"""Chromium, driven through a pair of pipes: pages opened as a person would see them, and kept."""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
LOADED_WITHIN_S = 60
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-pipe",
)


class BrowserError(Exception):
    """Chromium is not there, or does not do what it is asked."""


def chromium() -> str:
    """Find Chromium.

    Raises:
        BrowserError: there is none.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise BrowserError("there is no Chromium here: install it (Debian's chromium)")


@dataclass(frozen=True)
class Look:
    """How a page is looked at: its name in file names, width in pixels, and colour scheme."""

    name: str
    width: int
    scheme: str


@dataclass
class Browser:
    """A browser with one page; `complaints` are the errors that it has shown in its console."""

    reader: asyncio.StreamReader
    pipe: int
    session: str = ""
    url: str = ""
    complaints: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _loaded: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command; return its result.

        Raises:
            BrowserError: it was refused.
        """
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        answering = self._answers[number] = asyncio.get_running_loop().create_future()
        os.write(self.pipe, json.dumps(message).encode() + b"\0")  # short beside what a pipe holds
        answer = await asyncio.wait_for(answering, LOADED_WITHIN_S)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def listen(self) -> None:
        """Take what the browser says, until it ends."""
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                said = json.loads((await self.reader.readuntil(b"\0"))[:-1])
                if waiting := self._answers.pop(said.get("id", 0), None):
                    waiting.set_result(said)
                self._take(said.get("method"), said.get("params", {}))

    def _take(self, method: str | None, params: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                # That a page says no is not an error of what it loads.
                if params["entry"].get("url") != self.url:
                    self.complaints.append(params["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(params["exceptionDetails"]["text"])

    async def begin(self) -> None:
        """Open the page."""
        target = await self.ask("Target.createTarget", url="about:blank")
        attached = await self.ask(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.ask(f"{domain}.enable")

    async def keep_cookie(self, url: str, name: str, value: str, path: str) -> None:
        """Keep a cookie for an address."""
        await self.ask("Network.setCookie", url=url, name=name, value=value, path=path)

    async def open(self, url: str) -> None:
        """Open an address; return once all of it is there."""
        self.url = url
        async with self.loading():
            await self.ask("Page.navigate", url=url)

    @contextlib.asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """Return once all of the page is there that the block leads to."""
        self._loaded.clear()
        yield
        await asyncio.wait_for(self._loaded.wait(), LOADED_WITHIN_S)

    async def run(self, script: str) -> Any:
        """Run a script within the page; return its value.

        Raises:
            BrowserError: it fails.
        """
        found = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True)
        if "exceptionDetails" in found:
            raise BrowserError(f"{script}: {found['result'].get('description')}")
        return found["result"].get("value")

    async def see(self, url: str, look: Look, file: Path) -> None:
        """Open an address and keep how all of it looks.

        Raises:
            BrowserError: the page is wider than what it is looked at through.
        """
        size = {"width": look.width, "height": 800, "deviceScaleFactor": 1}
        await self.ask("Emulation.setDeviceMetricsOverride", **size, mobile=look.width < 500)
        schemes = [{"name": "prefers-color-scheme", "value": look.scheme}]
        await self.ask("Emulation.setEmulatedMedia", features=schemes)
        await self.open(url)
        # A phone shows a page that is too wide smaller: its own width tells nothing then.
        too_wide = await self.run("document.documentElement.scrollWidth") - look.width
        if too_wide > 0:
            raise BrowserError(f"{url} is {too_wide} px too wide for {look.width}")
        shot = await self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))


@contextlib.asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """Run Chromium with its files in a folder while the block lasts."""
    loop = asyncio.get_running_loop()
    (to_read, to_write), (from_read, from_write) = os.pipe(), os.pipe()
    # The shell puts the ends where Chromium looks for them.
    shell = f'exec "$0" "$@" 3<&{to_read} 4>&{from_write}'
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", shell, chromium(), *OPTIONS, f"--user-data-dir={folder}"),
        pass_fds=(to_read, from_write),
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(from_write)
    reader = asyncio.StreamReader(MESSAGE_BYTES_MAX)
    taking, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_read, "rb")
    )
    found = Browser(reader, to_write)
    listening = asyncio.create_task(found.listen())
    try:
        await found.begin()
        yield found
    finally:
        process.terminate()
        await process.wait()
        listening.cancel()
        taking.close()
        os.close(to_write)
