"""`dev` on a terminal: a view that is drawn anew as things happen, and what its keys do."""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from rich.console import Console
from rich.live import Live

from bridge.authoring.development.activity import Activity
from bridge.authoring.development.resending import Resending, as_text
from bridge.authoring.development.terminal import edited, editor_of, listening
from bridge.authoring.development.view import View, render
from bridge.ending import BackgroundTasks
from bridge.errors import BridgeError, MalformedError, UnsupportedMediaError
from bridge.formats.json_text import parse_json
from bridge.models import Json

REDRAW = ""
REFRESH = "refresh"
Lines = Callable[[], tuple[str, ...]]


class LiveView:
    """Shows what happens, newest first, and does what is asked for by keys.

    `head` is what stands above all of it; `faults` says what is wrong in files now, and `console`
    is where the console is.
    """

    def __init__(
        self, head: Lines, faults: Lines, environ: Mapping[str, str], console: str
    ) -> None:
        self._view = View(())
        self._head = head
        self._faults = faults
        self._environ = environ
        self._console = console
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._sending = BackgroundTasks()
        self._unsent: dict[str, str] = {}

    def say(self, text: str) -> None:
        """Show a message, until others have taken its place."""
        if text not in self._faults():
            self._view = self._view.saying(text)
            self._keys.put_nowait(REDRAW)

    def show(self, changed: Sequence[Activity], newest_first: Sequence[Activity]) -> None:
        """Show how things stand now."""
        now = replace(
            self._view,
            head=self._head(),
            faults=self._faults(),
            activities=tuple(newest_first),
        )
        is_other = any(each.record_id == self._view.chosen_id for each in changed)
        if now != self._view:
            self._view = now
            self._keys.put_nowait(REFRESH if is_other else REDRAW)

    async def run(self, resending: Resending) -> None:
        """Draw, and do as keys ask, until the one that ends all; never returns by itself."""
        console = Console()
        terminal = sys.stdin.fileno()
        redraw = partial(self._keys.put_nowait, REDRAW)
        asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, redraw)
        try:
            while True:
                with (
                    Live(console=console, screen=True, auto_refresh=False) as live,
                    listening(terminal, self._keys.put_nowait),
                ):
                    editing = await self._until_edit(live, resending)
                await self._edit(editing, resending)
        finally:
            await self._sending.end()

    async def _until_edit(self, live: Live, resending: Resending) -> Activity:
        """Draw, and do as keys ask, until a record is to be edited; return that."""
        while True:
            key = await self._keys.get()
            self._view = replace(self._view, width=live.console.width).moved(key)
            if key == "quit":
                signal.raise_signal(signal.SIGTERM)
            elif chosen := self._view.chosen:
                if key == "edit":
                    return chosen
                await self._act_on(chosen, key, resending)
            if self._keys.empty():
                live.update(render(self._view, live.console), refresh=True)

    async def _act_on(self, chosen: Activity, key: str, resending: Resending) -> None:
        is_open = self._view.details is not None
        if key == ("enter" if not is_open else REFRESH):
            details = await resending.details_of(chosen)
            self._view = replace(self._view, details=details, chosen_id=chosen.record_id)
        elif key in ("enter", "back"):
            self._view = replace(self._view, details=None, scrolled=0)
        elif key == "console":
            kind = "calls" if chosen.is_call else "events"
            self.say(f"{self._console}/{kind}/{chosen.record_id}")
        elif key == "again":
            self._sending.start(self._send_again(chosen, resending))

    async def _send_again(self, activity: Activity, resending: Resending) -> None:
        self.say(f"{activity.place}: {'running' if activity.is_call else 'sending'} again")
        try:
            content = await resending.content_of(activity)
        except BridgeError as error:
            self.say(str(error))
        else:
            await self._send(activity, content, resending)

    async def _send(self, activity: Activity, content: Json, resending: Resending) -> None:
        try:
            self.say(await resending.send(activity, content))
        except BridgeError as error:
            self.say(str(error))

    async def _edit(self, activity: Activity, resending: Resending) -> None:
        """Have what was sent edited, or what was saved last and is no JSON, and send it."""
        after = b""
        try:
            editor = editor_of(self._environ)
            sent = as_text(await resending.content_of(activity))
            after = await edited(self._unsent.pop(activity.record_id, sent), editor)
            if after.strip() == sent.strip().encode(errors="backslashreplace"):
                self.say("nothing was changed: nothing is sent")
                return
            content = parse_json(after)
        except (MalformedError, UnsupportedMediaError) as error:
            self._unsent[activity.record_id] = after.decode(errors="replace")
            self.say(f"what was saved is not sent: {error}; press e to go on with it")
        except BridgeError as error:
            self.say(str(error))
        else:
            self._sending.start(self._send(activity, content, resending))
