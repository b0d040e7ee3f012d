"""A refusal in the form that HTTP has for it: problem+json (RFC 9457)."""

import json
from http import HTTPStatus

from starlette.responses import Response

from bridge.meters import REFUSED


def count_refusal(status: int) -> None:
    """Count a request that is answered with this status, by whoever sees the answer last."""
    REFUSED.labels(str(int(status))).inc()


def problem(
    status: int, detail: str, headers: dict[str, str] | None = None, **members: object
) -> Response:
    """Return a problem document; `members` stand beside the standard ones."""
    document = {
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        **members,
    }
    return Response(json.dumps(document), status, headers, media_type="application/problem+json")
