"""Acts on many records: what is to be done to which, counted, confirmed, followed to the end."""

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.responses import Response

from bridge.console.listing import CALLS, EVENTS, REPLIES, Listing, wanted_of
from bridge.console.visits import Visit
from bridge.errors import MalformedError
from bridge.log import audit
from bridge.verbs.bulk_records import POSSIBLE, ActKind, Bulk
from bridge.verbs.bulks import MOST
from bridge.verbs.record_search import RecordKind

LISTINGS: Mapping[str, Listing] = {each.kind: each for each in (EVENTS, CALLS, REPLIES)}
FILTERS = ("q", "server", "hook", "workflow", "status", "principal", "since", "until", "bulk")


async def show_bulks(visit: Visit) -> Response:
    """Show what may be done to the records that a list's filter lets through, and earlier acts."""
    asked = _filled(visit.request.query_params)
    kind = visit.request.query_params.get("of", "")
    acts = [act for of, act in POSSIBLE if of == kind and _fits(of, act, asked.get("status"))]
    bulks = await visit.runtime.bulks.listed()
    return visit.page(
        "bulks.html", kind=kind, asked=asked, acts=acts, most=MOST, bulks=bulks, listings=LISTINGS
    )


async def count_bulk(visit: Visit) -> Response:
    """Choose the records of a bulk act, and lead to where it is confirmed.

    Raises:
        MalformedError: the form names no such act, or another limit than a number.
    """
    form, who = visit.form, visit.login.who
    kind, act, limit = form.get("of", ""), form.get("act", ""), form.get("limit") or str(MOST)
    if kind not in LISTINGS or act not in tuple(ActKind) or not limit.isdecimal() or limit == "0":
        raise MalformedError("say what is to be done to which records, and to how many at most")
    wanted = await wanted_of(visit, LISTINGS[kind], _filled(form))
    most = min(int(limit), MOST)
    bulk = await visit.runtime.bulks.count(RecordKind(kind), ActKind(act), wanted, who, most)
    audit(who, "console bulk count", bulk.bulk_id, "done")
    return visit.back_to(f"/bulk/{bulk.bulk_id}")


async def show_bulk(visit: Visit) -> Response:
    """Show how far a bulk act is, and before it begins the form that confirms it."""
    bulk = await visit.runtime.bulks.read(visit.request.path_params["bulk_id"])
    return visit.page(
        "bulk.html",
        bulk=bulk,
        chosen=_filter_of(bulk, shows_text=visit.login.sees_payloads),
        sample=await visit.runtime.bulks.sample(bulk) if not bulk.status.is_final else [],
        list_of_done=f"/{bulk.kind}?{urlencode({'bulk': bulk.bulk_id})}",
    )


async def confirm_bulk(visit: Visit) -> Response:
    """Let a bulk act begin by the count that was typed.

    Raises:
        MalformedError: that is no number.
    """
    bulk_id, count = visit.request.path_params["bulk_id"], visit.form.get("count", "").strip()
    if not count.isdecimal():
        raise MalformedError("type the count to confirm it")
    await visit.runtime.bulks.confirm(bulk_id, int(count), visit.login.who)
    audit(visit.login.who, "console bulk confirm", bulk_id, "done", confirmed_count=int(count))
    return visit.back_to(f"/bulk/{bulk_id}")


async def stop_bulk(visit: Visit) -> Response:
    """End a bulk act before its time."""
    bulk_id = visit.request.path_params["bulk_id"]
    await visit.runtime.bulks.stop(bulk_id, visit.login.who)
    audit(visit.login.who, "console bulk stop", bulk_id, "done")
    return visit.back_to(f"/bulk/{bulk_id}")


def _filled(given: Mapping[str, str]) -> dict[str, str]:
    return {name: given[name] for name in FILTERS if given.get(name, "").strip()}


def _fits(kind: RecordKind, act: ActKind, status: str | None) -> bool:
    return status is None or status in POSSIBLE[kind, act]


def _filter_of(bulk: Bulk, *, shows_text: bool) -> str:
    """Return what was asked for, as people read it; empty where it was all."""
    asked = bulk.asked(shows_text=shows_text).items()
    said = ((name, ", ".join(it) if isinstance(it, list) else it) for name, it in asked)
    return "; ".join(f"{name} {it}" for name, it in said)
