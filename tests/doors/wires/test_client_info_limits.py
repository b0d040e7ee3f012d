"""What is kept of a client is as much as a client says, however much it says."""

import httpx2
import pytest

from bridge.runtime import Runtime
from bridge.store.keys import PREFIX
from tests.doors.by_hand import ALICE, BOTH, VERSION_2025, Session, authorization, request

LONG = "a" * 20_000


@pytest.mark.parametrize(
    ("info", "capabilities"),
    [
        ({"name": LONG, "version": LONG, "title": LONG}, {}),
        ({"name": "n", "version": "1", "icons": [{"src": f"data:,{LONG}"}]}, {}),
        ({"name": "n", "version": "1", LONG: "x"}, {}),
        ({"name": "n", "version": "1"}, {"experimental": {"x": {"y": LONG}}}),
        ({"name": "n", "version": "1"}, {"experimental": {str(n): {} for n in range(3000)}}),
        ({"name": "n", "version": "1"}, {str(number): {} for number in range(2000)}),
    ],
)
async def test_a_long_handshake_leaves_a_short_record_and_a_session_that_works(
    web: str,
    http: httpx2.AsyncClient,
    runtime: Runtime,
    info: dict[str, object],
    capabilities: dict[str, object],
) -> None:
    hello = request(
        "initialize",
        protocolVersion=VERSION_2025,
        clientInfo=info,
        capabilities={"elicitation": {}} | capabilities,
    )
    answer = await http.post(
        f"{web}/mcp/desk", json=hello, headers=authorization(ALICE) | {"accept": BOTH}
    )
    session_id = answer.headers["mcp-session-id"]
    assert await _record_bytes(runtime, session_id) < 5000

    session = Session(http, f"{web}/mcp/desk", session_id, VERSION_2025, ALICE)
    listed = (await session.post(request("tools/list", 2))).json()
    assert "take_event" in [tool["name"] for tool in listed["result"]["tools"]]


async def test_the_name_of_a_stream_s_client_is_kept_short(
    web: str, http: httpx2.AsyncClient, runtime: Runtime
) -> None:
    async with http.stream(
        "GET", f"{web}/sse/desk/clients/{LONG}", headers=authorization(ALICE)
    ) as stream:
        assert stream.status_code == 200
        (session_id,) = [
            key.decode().rpartition(":")[2]
            async for key in runtime.redis.scan_iter(f"{PREFIX}session:*")
        ]
        assert await _record_bytes(runtime, session_id) < 2000


async def _record_bytes(runtime: Runtime, session_id: str) -> int:
    record: dict[bytes, bytes] = await runtime.redis.hgetall(  # type: ignore[assignment]
        f"{PREFIX}session:{session_id}"
    )
    assert record
    return sum(len(name) + len(value) for name, value in record.items())
