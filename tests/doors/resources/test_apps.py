"""MCP Apps: the inbox as a page that hosts show beside `list_events`."""

import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from bridge.mcp.apps import EXTENSION, INBOX_URI, MIME_TYPE, page
from tests.doors.by_hand import Message
from tests.doors.every_wire import WIRES, asking, send
from tests.screenshots.browser import Browser, browser
from tests.serving import serving_any
from tests.waiting import wait_until

PAGE = page("inbox")
HOST = """<!doctype html><title>A host</title><link rel="icon" href="data:,">
<iframe sandbox="allow-scripts allow-same-origin">
</iframe><script>
const [page, results] = %s, seen = [];
const view = document.querySelector("iframe");
const post = (message) => view.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
const answers = {
  "ui/initialize": () => ({ protocolVersion: "2026-01-26", hostInfo: { name: "a", version: "1" },
    hostCapabilities: { serverTools: {} }, hostContext: { theme: "dark" } }),
  "tools/call": () => results[1],
  "ui/message": () => ({}),
};
window.addEventListener("message", ({ data }) => {
  seen.push(data);
  if (answers[data.method]) post({ id: data.id, result: answers[data.method]() });
  if (data.method !== "ui/notifications/initialized") return;
  post({ method: "ui/notifications/tool-input", params: { arguments: { hook: "letters" } } });
  post({ method: "ui/notifications/tool-result", params: results[0] });
});
view.srcdoc = page;
</script>"""
HOSTS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; media-src 'self' data:; connect-src 'none'"
)
"""Source: SEP-1865, 2026-01-26, "Restrictive Default"; a page in a frame has that of its parent."""


@pytest.mark.parametrize("wire", WIRES)
async def test_the_inbox_is_a_page_of_the_tool_that_lists_it(
    wire: str, http: httpx2.AsyncClient, web: str
) -> None:
    async with asking(wire, http, web) as ask:
        tools = (await ask("tools/list"))["result"]["tools"]
        assert {each["name"] for each in tools if "ui" in each.get("_meta", {})} == {"list_events"}
        (meta,) = (each["_meta"]["ui"] for each in tools if each["name"] == "list_events")
        (content,) = (await ask("resources/read", uri=meta["resourceUri"]))["result"]["contents"]
        assert (content["uri"], content["mimeType"]) == (INBOX_URI, MIME_TYPE)
        assert content["text"].startswith("<!doctype html>")
        listed = (await ask("resources/list"))["result"]["resources"]
        assert INBOX_URI not in {each["uri"] for each in listed}


async def test_the_extension_is_in_the_capabilities_of_the_wire_that_has_extensions(
    http: httpx2.AsyncClient, web: str
) -> None:
    async with asking("2026", http, web) as ask:
        told = (await ask("server/discover"))["result"]["capabilities"]
    assert EXTENSION in told["extensions"]


@pytest.mark.parametrize("name", ["inbox", "call", "approvals"])
def test_a_page_names_no_address_and_makes_no_markup_of_what_it_shows(name: str) -> None:
    text = page(name)
    assert not re.search(r"https?:|//[\w-]+\.|src=|href=|url\(|@import", text)
    assert not re.search("innerHTML|insertAdjacent|document.write|eval|Function", text)
    assert "default-src 'none'" in text


@pytest.fixture
async def chromium(tmp_path: Path) -> AsyncIterator[Browser]:
    if shutil.which("chromium") is None:
        pytest.skip("there is no Chromium on this machine")
    async with browser(tmp_path) as running:
        yield running


def listed(*summaries: str) -> Message:
    """Return what list_events answers of events that are told apart by their summaries."""
    events = [
        {
            "event_id": f"evt_{number}",
            "hook": "letters",
            "status": "queued",
            "attempt": 0,
            "received_at": "2026-11-29T12:00:00Z",
            "summary": summary,
        }
        for number, summary in enumerate(summaries)
    ]
    structured = {"events": events, "next_cursor": None}
    text = json.dumps(structured)
    return {"content": [{"type": "text", "text": text}], "structuredContent": structured}


async def test_a_host_shows_the_list_refreshes_it_and_has_claude_answer(
    chromium: Browser, http: httpx2.AsyncClient, web: str
) -> None:
    await send(http, web, "<img src=x onerror=alert(1)>")
    async with asking("2025", http, web) as ask:
        first = (await ask("tools/call", name="list_events", arguments={}))["result"]
    data = json.dumps([PAGE, [first, listed("Dear all", "Second")]]).replace("</", "<\\/")

    async def show(_request: Any) -> HTMLResponse:
        return HTMLResponse(HOST % data, headers={"Content-Security-Policy": HOSTS_POLICY})

    async with serving_any(Starlette(routes=[Route("/", show)])) as host:
        await chromium.open(host)
        rows = "[...view.contentDocument.querySelectorAll('li > div > div:first-child')]"
        shown = f"JSON.stringify({rows}.map((each) => each.textContent))"

        async def shows(*summaries: str) -> None:
            async def is_shown() -> bool:
                found: list[str] = json.loads(await chromium.run(shown))
                return found == list(summaries)

            await wait_until(is_shown, f"{summaries} on the page", 30)

        await shows('"<img src=x onerror=alert(1)>"')
        assert await chromium.run("view.contentDocument.querySelector('img') === null")
        await chromium.run("view.contentDocument.querySelector('#refresh').click()")
        await shows("Dear all", "Second")
        await chromium.run("view.contentDocument.querySelectorAll('li button')[1].click()")

        async def is_sent() -> bool:
            return bool(await chromium.run("seen.some((each) => each.method === 'ui/message')"))

        await wait_until(is_sent, "the message to Claude", 30)
        seen = json.loads(await chromium.run("JSON.stringify(seen)"))
    asked = {each["method"]: each.get("params") for each in seen if "method" in each}
    assert asked["tools/call"] == {"name": "list_events", "arguments": {"hook": "letters"}}
    (part,) = asked["ui/message"]["content"]
    assert "evt_1" in part["text"]
    assert "Second" not in part["text"]
    assert asked["ui/notifications/size-changed"]["height"] > 0
    assert chromium.complaints == []
