"""DNS rebinding: a page whose name was turned to this machine reaches no path of the bridge.

Source: MCP 2025-11-25, "Streamable HTTP", security warning.
"""

import re

import httpx2
import pytest

from bridge.app import ROUTES
from bridge.web.middleware import OPEN_PATHS
from tests.doors.by_hand import ALICE, authorization

REBOUND = (
    "evil.example",
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example#localhost",
    "evil.example/localhost",
    "2130706433",
    "0.0.0.0",
    "[localhost",
    "",
)
FOREIGN = (
    "https://evil.example",
    "http://127.0.0.1.evil.example",
    "http://localhost.evil.example:8080",
    "http://[localhost",
    "null",
    "file://",
    "chrome-extension://localhost",
)
PATHS = sorted(
    (re.sub(r"\{\w+\}", "desk", route.path), method)
    for route in ROUTES
    if route.path not in OPEN_PATHS
    for method in (route.methods or set()) - {"HEAD"}
)


@pytest.mark.parametrize(("path", "method"), PATHS)
async def test_a_host_that_is_not_ours_is_misdirected_on_every_path(
    web: str, http: httpx2.AsyncClient, path: str, method: str
) -> None:
    for host in REBOUND:
        headers = authorization(ALICE) | {"host": host}
        answer = await http.request(method, web + path, headers=headers)
        assert answer.status_code in (400, 421), host
        assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize(("path", "method"), PATHS)
async def test_an_origin_that_is_not_ours_is_forbidden_on_every_path(
    web: str, http: httpx2.AsyncClient, path: str, method: str
) -> None:
    for origin in FOREIGN:
        headers = authorization(ALICE) | {"origin": origin}
        answer = await http.request(method, web + path, headers=headers)
        assert answer.status_code == 403, origin
        assert "access-control-allow-origin" not in answer.headers
