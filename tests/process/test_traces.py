"""A trace that Claude's client begins goes on in n8n."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.bridge_processes import Bridge, running_bridge
from tests.waiting import wait_until

TRACE, OTHER = "0af7651916cd43dd8448eb211c80319c", "1" * 32


def traceparent(trace: str) -> str:
    return f"00-{trace}-b7ad6b7169203331-01"


async def call(bridge: Bridge, label: str, *, meta: str = "", header: str = "") -> str:
    """Call a tool whose request carries these; returns the `traceparent` that n8n got."""
    arguments = {"label": label, "seconds": 0}
    request = bridge.request("tools/call", name="once", arguments=arguments)
    message: dict[str, Any] = json.loads(request.content)
    if meta:
        message["params"]["_meta"]["traceparent"] = meta
    headers = dict(request.headers) | ({"traceparent": header} if header else {})
    headers.pop("content-length")
    answer = await bridge.http.send(
        httpx2.Request("POST", request.url, json=message, headers=headers)
    )
    assert answer.status_code == 200
    await wait_until(lambda: bridge.runs(label), "n8n has been asked", 20)
    sent: str = bridge.runs(label)[0].headers["traceparent"]
    return sent


@pytest.mark.timeout(120)
async def test_the_trace_of_a_request_goes_on_in_n8n(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as bridge:
        inner = await call(bridge, "a", meta=traceparent(TRACE), header=traceparent(OTHER))
        outer = await call(bridge, "b", header=traceparent(OTHER))
        own = await call(bridge, "c", meta="no trace")

    assert inner.startswith(f"00-{TRACE}-")
    assert "b7ad6b7169203331" not in inner
    assert outer.startswith(f"00-{OTHER}-")
    assert TRACE not in own
    assert OTHER not in own
