"""Bulk acts as they stand: what is done to which records, and how far that is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bridge.models import BulkId, CallStatus, EventStatus, ReplyStatus, instant
from bridge.store.bulks import BulkRow
from bridge.verbs.record_search import RecordKind


class ActKind(StrEnum):
    """What is done to each record."""

    REDRIVE = "redrive"
    RELEASE = "release"
    EXPIRE = "expire"
    CANCEL = "cancel"
    RUN_AGAIN = "run-again"


class BulkStatus(StrEnum):
    """How far a bulk act is."""

    COUNTED = "counted"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"

    @property
    def is_final(self) -> bool:
        """Report whether nothing more will be done."""
        return self in (BulkStatus.DONE, BulkStatus.STOPPED)


POSSIBLE: Mapping[tuple[RecordKind, ActKind], Sequence[str]] = {
    (RecordKind.EVENTS, ActKind.REDRIVE): (EventStatus.DEAD, EventStatus.EXPIRED),
    (RecordKind.EVENTS, ActKind.RELEASE): (EventStatus.LEASED,),
    (RecordKind.EVENTS, ActKind.EXPIRE): (EventStatus.QUEUED, EventStatus.LEASED),
    (RecordKind.EVENTS, ActKind.RUN_AGAIN): tuple(EventStatus),
    (RecordKind.CALLS, ActKind.CANCEL): (CallStatus.QUEUED, CallStatus.RUNNING),
    (RecordKind.CALLS, ActKind.RUN_AGAIN): tuple(CallStatus),
    (RecordKind.REPLIES, ActKind.REDRIVE): (ReplyStatus.DEAD,),
}
"""What can be done to many records, and in which statuses they must be for it."""


@dataclass(frozen=True)
class Bulk:
    """A bulk act as it stands; moments are in milliseconds since 1970.

    Of `count` records `done` were acted on, `changed` were not as asked for any more, and `refused`
    could not be; `reasons` are those of the first of them, each with an id. `is_cut` says that
    more were wanted than were counted. `is_held`: a process works on it right now.
    """

    bulk_id: BulkId
    kind: RecordKind
    act: ActKind
    by: str
    filter: Mapping[str, object]
    status: BulkStatus
    count: int
    is_cut: bool
    created_at_ms: int
    confirmed_by: str | None
    ended_at_ms: int | None
    stopped_by: str | None
    done: int
    changed: int
    refused: int
    reasons: Sequence[tuple[str, str]]
    is_held: bool

    @property
    def left(self) -> int:
        """How many have not been looked at yet."""
        return self.count - self.done - self.changed - self.refused

    @property
    def name(self) -> str:
        """What is done, as the audit and the command line name it."""
        return f"{self.kind} {self.act}"

    def asked(self, *, shows_text: bool) -> dict[str, object]:
        """Return its filter as programs write filters; its text may be of a payload."""
        own = {"part": self.kind.part, "statuses": "status", "before": "until"}
        said = {own.get(name, name): it for name, it in self.filter.items() if name != "ids_alone"}
        moments = {name: said[name] for name in ("since", "until") if name in said}
        said |= {name: instant(int(str(it)) // 1000) for name, it in moments.items()}
        return said if shows_text or "text" not in said else said | {"text": "…"}

    def describe(self, *, shows_texts: bool = True) -> dict[str, object]:
        """Return what programs are told of it, with or without what may be of payloads."""
        reasons = self.reasons if shows_texts else ()
        moments = {"created_at": self.created_at_ms, "ended_at": self.ended_at_ms}
        return {
            "bulk_id": self.bulk_id,
            "records": self.kind,
            "act": self.act,
            "filter": self.asked(shows_text=shows_texts),
            "status": self.status,
            "count": self.count,
            "is_cut": self.is_cut,
            "done": self.done,
            "changed": self.changed,
            "refused": self.refused,
            "left": self.left,
            "reasons": [{"id": each, "reason": why} for each, why in reasons],
            "by": self.by,
            "confirmed_by": self.confirmed_by,
            "stopped_by": self.stopped_by,
        } | {name: at and instant(at) for name, at in moments.items()}

    @classmethod
    def of(cls, row: BulkRow) -> "Bulk":
        """Return what a row of the store stands for."""
        return cls(
            bulk_id=row.bulk_id,
            kind=RecordKind(row.kind),
            act=ActKind(row.act),
            by=row.by,
            filter=json.loads(row.filter),
            status=BulkStatus(row.status),
            count=row.count,
            is_cut=row.is_cut,
            created_at_ms=row.created_at,
            confirmed_by=row.confirmed_by,
            ended_at_ms=row.ended_at,
            stopped_by=row.stopped_by,
            done=row.done,
            changed=row.changed,
            refused=row.refused,
            reasons=row.reasons(),
            is_held=row.is_held,
        )


@dataclass(frozen=True)
class Became:
    """What became of one record: `done`, `changed` or `refused`, and why."""

    record_id: str
    outcome: str
    why: str | None


def described_filter(bulk: Bulk) -> str:
    """Return a filter for the audit, which shows no text of records: its place, then the rest."""
    rest = bulk.asked(shows_text=False)
    server, part = rest.pop("server", "*"), rest.pop(bulk.kind.part, "")
    rest |= {"search": rest.pop("text")} if "text" in rest else {}
    said = (f"{name}={','.join(it) if isinstance(it, list) else it}" for name, it in rest.items())
    return " ".join([f"{server}/{part}" if part else str(server), *said])
