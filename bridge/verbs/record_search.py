"""What a search for records is: of which kind, for which ones, how far, and what it has found."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from bridge.formats.json_text import encode, spell
from bridge.models import ReplyStatus
from bridge.store.searching import CountedRecords

Found = TypeVar("Found")

STEP_ROWS = 1000
"""So many records are read in one step at most."""
REPLIED = (ReplyStatus.PENDING, ReplyStatus.DELIVERED, ReplyStatus.DEAD)


@dataclass(frozen=True)
class SearchBudget:
    """For how long a search looks on before it returns what it has found, and in how many steps."""

    within_s: float = 2.0
    steps: int | None = None


USUAL = SearchBudget()


class RecordKind(StrEnum):
    """What there are records of."""

    EVENTS = "events"
    CALLS = "calls"
    REPLIES = "replies"

    @property
    def part(self) -> str:
        """What of a server they belong to."""
        return "workflow" if self is RecordKind.CALLS else "hook"


@dataclass(frozen=True)
class RecordSearch:
    """Which records are looked for; what is None or empty stands for any.

    `part` is a workflow for calls, else a hook. `principal` made the call, or took the event last.
    `text` is part of an id or the summary, letters of ASCII small or capital. Order numbers bound
    the time: `since` is the least, `before` is above the greatest, and a page's cursor. `bulk` is
    the id of a bulk act that was done to them. With `ids_alone` the text is looked for in ids, not
    in what is of payloads.
    """

    server: str | None = None
    part: str | None = None
    statuses: Sequence[str] = ()
    principal: str | None = None
    text: str = ""
    since: int = 0
    before: int | None = None
    bulk: str | None = None
    ids_alone: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """The text as people write it, and as it may stand in the JSON of a summary; or none."""
        in_json = (spell(self.text), encode(self.text).decode())
        every = (self.text, *(each[1:-1] for each in in_json))
        return tuple(dict.fromkeys(every)) if self.text else ()


@dataclass(frozen=True)
class RecordPage(Generic[Found]):
    """Records, newest first; `cursor` is where the next page begins.

    It is None once every record has been looked at, which a search has also done that found
    nothing. `is_cut` says that the budget was spent before the page was full, and `left` how many
    records were not looked at then, where that is known.
    """

    rows: list[Found]
    cursor: int | None
    is_cut: bool
    left: int | None = None


@dataclass(frozen=True)
class Counts:
    """How many records there are by status; `cursor` as in a page, None for a whole count."""

    by_status: dict[str, int] = field(hash=False)
    cursor: int | None

    @property
    def total(self) -> int:
        """How many there are in all."""
        return sum(self.by_status.values())


async def page_of(
    look: Callable[[int | None, int], Awaitable[tuple[Sequence[Found], int | None]]],
    before: int | None,
    limit: int,
    budget: SearchBudget,
    left: Callable[[int], Awaitable[int]] | None = None,
) -> RecordPage[Found]:
    """Look on until the page is full, the budget is spent, or nothing is left to be looked at.

    `left` counts what a page that was cut has not looked at yet.
    """
    rows: list[Found] = []
    until, steps = time.monotonic() + budget.within_s, 0
    while True:
        began_at = time.monotonic()
        found, before = await look(before, min(limit - len(rows), STEP_ROWS))
        rows, steps = [*rows, *found], steps + 1
        now = time.monotonic()
        is_full = len(rows) >= limit
        # The next step may take as long as this one did.
        is_spent = steps == budget.steps or now + (now - began_at) >= until
        if is_full or is_spent or before is None:
            break
    if before is None or is_full:
        return RecordPage(rows, before, is_cut=False)
    return RecordPage(rows, before, is_cut=True, left=await left(before) if left else None)


async def counts_of(
    look: Callable[[int | None], Awaitable[CountedRecords]],
    before: int | None,
    budget: SearchBudget,
) -> Counts:
    """Count on until all was counted, or the budget's time is over."""
    by_status: dict[str, int] = {}
    until = time.monotonic() + budget.within_s
    while True:
        counted, before = await look(before)
        for status, count in counted.items():
            by_status[status] = by_status.get(status, 0) + count
        if before is None or time.monotonic() >= until:
            return Counts(by_status, before)
