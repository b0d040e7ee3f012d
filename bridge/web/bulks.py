"""/bulk: one act on many records, counted first and confirmed with the count."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.errors import Fault, InvalidError
from bridge.log import OPERATOR, audit
from bridge.verbs.bulk_records import ActKind
from bridge.verbs.bulks import MOST
from bridge.verbs.record_filters import read_filter
from bridge.verbs.record_search import RecordKind
from bridge.web.events import operators_runtime
from bridge.web.json_bodies import BROKEN, read_members


async def count_bulk(request: Request) -> Response:
    """POST /bulk: choose the records of an act and count them; nothing is changed yet."""
    runtime = operators_runtime(request)
    names = ("records", "act", "filter", "limit")
    said = await read_members(request, runtime.settings.max_body_bytes, *names)
    faults = [
        Fault(f"/{name}", f"must be one of {', '.join(allowed)}")
        for name, allowed in (("records", RecordKind), ("act", ActKind))
        if said.get(name) not in tuple(allowed)
    ]
    asked, limit = said.get("filter", {}), said.get("limit", MOST)
    if not isinstance(asked, dict):
        faults.append(Fault("/filter", "must be an object"))
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST:
        faults.append(Fault("/limit", f"must be a whole number from 1 to {MOST}"))
    if faults or not isinstance(asked, dict) or not isinstance(limit, int):
        raise InvalidError(BROKEN, tuple(faults))
    kind, act = RecordKind(str(said["records"])), ActKind(str(said["act"]))
    wanted = await read_filter(kind, asked).search(runtime.operators)
    bulk = await runtime.bulks.count(kind, act, wanted, OPERATOR, limit)
    sample = await runtime.bulks.sample(bulk)
    return JSONResponse(bulk.describe() | {"sample": sample}, 201)


async def list_bulks(request: Request) -> Response:
    """GET /bulk: the newest bulk acts."""
    bulks = await operators_runtime(request).bulks.listed()
    return JSONResponse({"bulks": [bulk.describe() for bulk in bulks]})


async def show_bulk(request: Request) -> Response:
    """GET /bulk/{bulk_id}: how far it is."""
    bulk = await operators_runtime(request).bulks.read(request.path_params["bulk_id"])
    return JSONResponse(bulk.describe())


async def confirm_bulk(request: Request) -> Response:
    """POST /bulk/{bulk_id}/confirm: let it begin, by the count that was told."""
    runtime, bulk_id = operators_runtime(request), request.path_params["bulk_id"]
    said = await read_members(request, runtime.settings.max_body_bytes, "count")
    count = said.get("count")
    if not isinstance(count, int) or isinstance(count, bool):
        raise InvalidError(BROKEN, (Fault("/count", "must be the count"),))
    bulk = await runtime.bulks.confirm(bulk_id, count, OPERATOR)
    audit(OPERATOR, "bulk confirm", bulk_id, "done", confirmed_count=count)
    return JSONResponse(bulk.describe(), 202)


async def stop_bulk(request: Request) -> Response:
    """POST /bulk/{bulk_id}/stop: end it before its time; what is done stays done."""
    bulk = await operators_runtime(request).bulks.stop(request.path_params["bulk_id"], OPERATOR)
    return JSONResponse(bulk.describe())
