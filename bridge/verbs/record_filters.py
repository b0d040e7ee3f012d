"""Filters of records as people and programs write them, and what is looked for by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.errors import Fault, InvalidError, MalformedError
from bridge.formats.times import MOMENT_RULE, PastMoment, moment
from bridge.models import CallStatus, EventStatus, Json
from bridge.verbs.operators import Operators
from bridge.verbs.record_search import REPLIED, RecordKind, RecordSearch

STATUSES: Mapping[RecordKind, Sequence[str]] = {
    RecordKind.EVENTS: tuple(EventStatus),
    RecordKind.CALLS: tuple(CallStatus),
    RecordKind.REPLIES: REPLIED,
}
NOTHING_BETWEEN = "nothing is newer than `since` and older than `until`"
BROKEN = "the filter is not as it may be"
TEXT_CHARS_MAX = 200


@dataclass(frozen=True)
class SearchTerms:
    """Which records somebody asks for, in their own words; what is None or empty stands for any.

    `since` and `until` are moments, or say how long ago they were.
    """

    server: str | None = None
    part: str | None = None
    statuses: Sequence[str] = ()
    principal: str | None = None
    text: str | None = None
    since: PastMoment | None = None
    until: PastMoment | None = None
    bulk: str | None = None

    async def search(
        self, operators: Operators, cursor: int | None = None, *, ids_alone: bool = False
    ) -> RecordSearch:
        """Return what is looked for, behind a cursor where a list goes on there.

        Raises:
            MalformedError: no moment lies between `since` and `until`.
        """
        since, until = [
            None if when is None else await operators.order_at(when)
            for when in (self.since, self.until)
        ]
        if since is not None and until is not None and until <= since:
            raise MalformedError(NOTHING_BETWEEN)
        return RecordSearch(
            server=self.server,
            part=self.part,
            statuses=self.statuses,
            principal=self.principal,
            text=self.text or "",
            since=since or 0,
            before=min((each for each in (until, cursor) if each is not None), default=None),
            bulk=self.bulk,
            ids_alone=ids_alone,
        )


def read_filter(kind: RecordKind, asked: Mapping[str, Json]) -> SearchTerms:
    """Return which records a filter of a program's asks for.

    It may have `server`, `hook` (of calls `workflow`), `status` (one, or a list), `principal`,
    `text`, `since`, `until` (how long ago, or a moment) and `bulk`; each is a text. None is empty,
    nor is the list: a program that had nothing to put there did not mean all records.

    Raises:
        InvalidError: naming every member that is unknown, or not as it may be.
    """
    known = {"server", kind.part, "status", "principal", "text", "since", "until", "bulk"}
    faults = [Fault(f"/{name}", "unknown") for name in sorted(asked.keys() - known)]
    texts = {name: asked[name] for name in sorted(asked.keys() & known - {"status"})}
    faults += [
        Fault(f"/{name}", f"must be a text of 1 to {TEXT_CHARS_MAX} characters")
        for name, value in texts.items()
        if not isinstance(value, str) or not value.strip("\0 ") or len(value) > TEXT_CHARS_MAX
    ]
    statuses = _statuses(asked)
    if not all(each in STATUSES[kind] for each in statuses) or ("status" in asked and not statuses):
        faults.append(Fault("/status", f"must be some of {', '.join(STATUSES[kind])}"))
    faults += [
        Fault(f"/{name}", MOMENT_RULE) for name in ("since", "until") if not _is_time(texts, name)
    ]
    if faults:
        raise InvalidError(BROKEN, tuple(faults))
    given = {name: str(value) for name, value in texts.items()}
    return SearchTerms(
        server=given.get("server"),
        part=given.get(kind.part),
        statuses=tuple(map(str, statuses)),
        principal=given.get("principal"),
        text=given.get("text"),
        since=moment(given["since"]) if "since" in given else None,
        until=moment(given["until"]) if "until" in given else None,
        bulk=given.get("bulk"),
    )


def _statuses(asked: Mapping[str, Json]) -> Sequence[Json]:
    given = asked.get("status", [])
    return given if isinstance(given, list) else [given]


def _is_time(texts: Mapping[str, Json], name: str) -> bool:
    value = texts.get(name)
    if not isinstance(value, str):
        return True
    try:
        moment(value)
    except ValueError:
        return False
    return True
