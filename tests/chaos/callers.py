"""Claude runs workflows: each call is followed to its end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.asking import Ask, Claude, Client
from tests.chaos.book import Book, CallRecord
from tests.chaos.insisting import Told, insist
from tests.chaos.server_file import QUICK_OR_SLOW

READ_FOR_S = 5
IN_PARALLEL = 2
"""How many calls a client may have open at once."""


@dataclass
class Caller:
    """One Claude that runs one call after the other."""

    client: Client
    claude: Claude
    wire: str
    book: Book
    work_s: float
    tools: Sequence[str] = QUICK_OR_SLOW

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until told to stop, and then to the end of what was begun."""
        await asyncio.gather(*(self._run(f"{n}", stop) for n in range(IN_PARALLEL)))

    async def _run(self, lane: str, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await self.follow(self.new_call(f"{self.client.name}/{lane}/{number}"))

    def new_call(self, label: str) -> CallRecord:
        """Choose what is called, and enter it into the book."""
        chance = self.client.random
        seconds = round(chance.choice((0, chance.uniform(0, self.work_s))), 2)
        call = CallRecord(label, chance.choice(self.tools), seconds, self.wire)
        self.book.calls[label] = call
        return call

    async def follow(self, call: CallRecord) -> None:
        """Make a call, and read on until it is settled."""
        waits = 2 if call.tool == "called_back" else 1
        ask = Ask(
            call.tool,
            {"label": call.label, "seconds": call.seconds / waits},
            tool_use=self.client.random.choice(("", f"toolu_{call.label}")),
            on_accepted=lambda: self.book.accept_call(call),
            story=call.story,
        )
        told = await insist(self.claude, self.wire, ask, self.book)
        while not told.failure and "next" in told.content:
            self.book.accept_call(call)
            told = await self._read(call, told.content["call_id"])
        self._settle(call, told)

    async def _read(self, call: CallRecord, call_id: str) -> Told:
        """Read a call, and tell of it as its tool would have."""
        given = {"call_id": call_id, "wait_seconds": READ_FOR_S}
        ask = Ask("read_call", given, story=call.story)
        told = await insist(self.claude, self.wire, ask, self.book)
        if told.failure or told.content["status"] == "succeeded":
            return Told(told.content.get("result", {}), told.failure)
        if told.content["status"] in ("queued", "running"):
            return Told({"call_id": call_id, "next": "read on"}, "")
        return Told({}, f"{told.content['status']}: {told.content.get('failure')}")

    def _settle(self, call: CallRecord, told: Told) -> None:
        if told.failure:
            self.book.settle_call(call, failure=told.failure)
            return
        if told.content.get("label") != call.label:
            self.book.wrong.append(f"{call.label} was told of {told.content}")
        self.book.settle_call(call, execution=str(told.content.get("execution")))
