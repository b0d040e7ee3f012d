"""Which kinds of answer a client takes, by its Accept header (RFC 9110, 12.5.1)."""

from starlette.requests import Request

JSON, EVENTS = "application/json", "text/event-stream"


def accepts(request: Request, *kinds: str) -> bool:
    """Tell whether a client takes all of these kinds; one that says nothing takes any."""
    ranges = {
        media.partition(";")[0].strip()
        for media in request.headers.get("accept", "*/*").lower().split(",")
    }
    return all({kind, kind.partition("/")[0] + "/*", "*/*"} & ranges for kind in kinds)
