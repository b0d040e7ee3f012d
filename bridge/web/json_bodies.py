"""Bodies that operators send: a JSON object of few members."""

from collections.abc import Mapping

from starlette.requests import Request

from bridge.errors import Fault, InvalidError, MalformedError
from bridge.formats.json_text import off_loop, parse_json
from bridge.models import Json
from bridge.net.request_body import read_body

BROKEN = "the body is not as it may be"


async def read_members(request: Request, max_bytes: int, *names: str) -> Mapping[str, Json]:
    """Read a body that is an object with some of these members; an empty one has none.

    Raises:
        MalformedError: it is something else.
        InvalidError: it has others; names them.
    """
    raw = await read_body(request, max_bytes)
    said = await off_loop(len(raw), lambda: parse_json(raw)) if raw.strip() else {}
    if not isinstance(said, dict):
        raise MalformedError(f"the body is no JSON object of {', '.join(names)}")
    if unknown := sorted(said.keys() - set(names)):
        raise InvalidError(BROKEN, tuple(Fault(f"/{name}", "unknown") for name in unknown))
    return said
