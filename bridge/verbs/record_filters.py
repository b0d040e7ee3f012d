"""Filters of records as programs write them: an object of names and texts."""

from collections.abc import Mapping, Sequence

from bridge.errors import Fault, InvalidError
from bridge.formats.times import MOMENT_RULE, moment
from bridge.models import CallStatus, EventStatus, Json
from bridge.verbs.operators import Operators
from bridge.verbs.record_search import REPLIED, RecordKind, RecordSearch

STATUSES: Mapping[RecordKind, Sequence[str]] = {
    RecordKind.EVENTS: tuple(EventStatus),
    RecordKind.CALLS: tuple(CallStatus),
    RecordKind.REPLIES: REPLIED,
}
BROKEN = "the filter is not as it may be"
TEXT_CHARS_MAX = 200


async def read_filter(
    operators: Operators, kind: RecordKind, asked: Mapping[str, Json]
) -> RecordSearch:
    """Return which records a filter asks for.

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
    return RecordSearch(
        server=given.get("server"),
        part=given.get(kind.part),
        statuses=tuple(map(str, statuses)),
        principal=given.get("principal"),
        text=given.get("text", ""),
        since=await _order(operators, given.get("since")) or 0,
        before=await _order(operators, given.get("until")),
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


async def _order(operators: Operators, text: str | None) -> int | None:
    return None if text is None else await operators.order_at(moment(text))
