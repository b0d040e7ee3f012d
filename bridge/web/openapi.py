"""GET /openapi.json: the HTTP face in words that programs read; kept by hand beside this file."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

DOCUMENT = Path(__file__).with_suffix(".json").read_bytes()


async def show_openapi(_request: Request) -> Response:
    """Return the document (OpenAPI 3.1)."""
    return Response(DOCUMENT, media_type="application/json")
