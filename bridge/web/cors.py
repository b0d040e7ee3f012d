"""What a web page of an origin that is let in may send here, and read of the answers (CORS).

The bridge knows no cookies here: whoever asks brings a token, so no credentials are allowed.

Source: the Fetch standard, 3.2, "HTTP CORS protocol"; MCP 2025-11-25, "Streamable HTTP".
"""

import re

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Send

METHODS = "GET, POST, DELETE"
EXPOSED = "Mcp-Session-Id, Retry-After, WWW-Authenticate, Preference-Applied, Location"
"""The headers of answers that pages may read beyond the plain ones."""
MAX_AGE_S = 600

_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]*")


def is_preflight(method: str, headers: Headers) -> bool:
    """Report whether a browser asks what a page may send, before it sends it."""
    return method == "OPTIONS" and "access-control-request-method" in headers


def preflight(headers: Headers) -> Response:
    """Allow any header that is asked for: the 2026 wire has one for each argument."""
    asked = headers.get("access-control-request-headers", "")
    allowed = {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Max-Age": str(MAX_AGE_S),
    }
    if asked and _NAMES.fullmatch(asked):
        allowed["Access-Control-Allow-Headers"] = asked
    if "access-control-request-private-network" in headers:
        allowed["Access-Control-Allow-Private-Network"] = "true"
    return Response(status_code=204, headers=allowed)


def readable_by(origin: str, send: Send) -> Send:
    """Return a `send` whose answers pages of an origin may read."""
    added = [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", EXPOSED.encode()),
        (b"vary", b"Origin"),
    ]

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return send_on
