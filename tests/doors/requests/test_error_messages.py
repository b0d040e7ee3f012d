"""What is likely to go wrong at first is answered in words that say how to mend it."""

import httpx2
import pytest


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("GET", "/", {}, "Claude connects to /mcp/SERVER"),
        ("POST", "/mcp", {}, "Claude connects to /mcp/SERVER"),
        ("POST", "/mcp/dekc", {}, "connect to /mcp/SERVER, as a server file names it"),
        ("POST", "/hooks/desk/nothing", {}, "send to /hooks/SERVER/HOOK, as a server file names"),
        ("GET", "/hooks/desk/ask", {}, "GET is not answered here: send POST"),
        (
            "POST",
            "/mcp/desk",
            {"host": "bridge.lan:8080"},
            "the Host bridge.lan:8080 is not known here: name it in BRIDGE_ALLOWED_HOSTS",
        ),
        (
            "POST",
            "/mcp/desk",
            {"origin": "https://app.lan"},
            "the Origin https://app.lan is not known here: name it in BRIDGE_ALLOWED_ORIGINS",
        ),
    ],
)
async def test_a_wrong_address_is_answered_with_the_right_one(
    web: str,
    http: httpx2.AsyncClient,
    method: str,
    path: str,
    headers: dict[str, str],
    expected: str,
) -> None:
    answer = await http.request(method, web + path, headers=headers)
    assert expected in answer.json()["detail"]
