"""MCP Apps about approvals: an operator decides on a page, who asks sees what waits."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from bridge.mcp.apps import APPROVALS_URI, CALL_URI, page
from bridge.store.new_calls import NewApproval
from tests.claude import use
from tests.doors.by_hand import call, request
from tests.doors.resources.test_apps import HOSTS_POLICY
from tests.doors.tools.test_operators_server import VIEWER, bridge, operators
from tests.doors.workshop import Workshop, open_workshop
from tests.screenshots.browser import Browser, browser
from tests.serving import serving_any
from tests.store.call_records import new_call
from tests.waiting import wait_until

HOST = """<!doctype html><title>A host</title><link rel="icon" href="data:,">
<iframe sandbox="allow-scripts allow-same-origin"></iframe><script>
const seen = [], view = document.querySelector("iframe");
const post = (message) => view.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
const inside = (selector) => [...view.contentDocument.querySelectorAll(selector)];
const click = (text) => inside("button").find((each) => each.textContent === text).click();
window.addEventListener("message", ({ source, data }) => {
  if (source === view.contentWindow) seen.push(data);
});
view.srcdoc = %s;
</script>"""
HOSTILE = '</pre><img src=x onerror=alert(1)>\u202e\u200b\U000e0041 "eur": 1'
SHOWN = '</pre><img src=x onerror=alert(1)>\\u202e\\u200b\\udb40\\udc41 \\"eur\\": 1'

Answer = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


class Host:
    """A host of MCP Apps: one page in a frame, whose calls of tools go to the bridge."""

    def __init__(self, chromium: Browser, call_tool: Answer, tool: dict[str, Any]) -> None:
        self._chromium = chromium
        self._call_tool = call_tool
        self._tool = tool
        self._read = 0
        self.called: list[str] = []

    async def serve(self) -> None:
        """Answer what the page asks for, until cancelled."""
        while True:
            new = json.loads(await self._chromium.run(f"JSON.stringify(seen.slice({self._read}))"))
            self._read += len(new)
            for message in new:
                if "id" in message and "method" in message:
                    result = await self._answer(message["method"], message["params"])
                    await self.post(id=message["id"], result=result)
            await asyncio.sleep(0.02)

    async def _answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "ui/initialize":
            return {
                "protocolVersion": "2026-01-26",
                "hostInfo": {"name": "a", "version": "1"},
                "hostCapabilities": {"serverTools": {}},
                "hostContext": {"theme": "dark", "toolInfo": {"tool": self._tool}},
            }
        self.called.append(params["name"])
        return await self._call_tool(params["name"], params["arguments"])

    async def post(self, **message: Any) -> None:
        await self._chromium.run(f"post({json.dumps(message)})")

    async def told(self, arguments: dict[str, Any], result: dict[str, Any]) -> None:
        """Tell the page, once it is ready, what the tool was asked and has answered."""

        async def is_ready() -> bool:
            ready = "seen.some(({ method }) => method === 'ui/notifications/initialized')"
            return bool(await self._chromium.run(ready))

        await wait_until(is_ready, "the page", 30)
        await self.post(method="ui/notifications/tool-input", params={"arguments": arguments})
        await self.post(method="ui/notifications/tool-result", params=result)

    async def texts(self, selector: str) -> list[str]:
        found = f"JSON.stringify(inside({json.dumps(selector)}).map((each) => each.textContent))"
        texts: list[str] = json.loads(await self._chromium.run(found))
        return texts

    async def shows(self, selector: str, *texts: str) -> None:
        async def is_shown() -> bool:
            return await self.texts(selector) == list(texts)

        await wait_until(is_shown, f"{texts} on the page", 30)

    async def click(self, text: str) -> None:
        await self._chromium.run(f"click({json.dumps(text)})")

    async def is_shown(self, text: str) -> bool:
        """Report whether there is a button of this text that can be seen."""
        found = f"inside('button').some((each) => each.textContent === {json.dumps(text)}"
        return bool(await self._chromium.run(f"{found} && !each.hidden)"))


@contextlib.asynccontextmanager
async def hosting(
    folder: Path, app: str, call_tool: Answer, **tool: Any
) -> AsyncIterator[tuple[Host, Browser]]:
    """Show a page in a host with the strictest policy that hosts have."""
    if shutil.which("chromium") is None:
        pytest.skip("there is no Chromium on this machine")
    text = HOST % json.dumps(page(app)).replace("</", "<\\/")

    async def show(_request: Any) -> HTMLResponse:
        return HTMLResponse(text, headers={"Content-Security-Policy": HOSTS_POLICY})

    async with browser(folder) as chromium:
        async with serving_any(Starlette(routes=[Route("/", show)])) as origin:
            await chromium.open(origin)
            host = Host(chromium, call_tool, tool)
            serving = asyncio.create_task(host.serve())
            try:
                yield host, chromium
            finally:
                serving.cancel()
        assert chromium.complaints == []


def of(client: Client) -> Answer:
    async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        told = await client.call_tool(name, arguments)
        return told.model_dump(mode="json", by_alias=True, exclude_none=True)

    return call_tool


async def test_an_operator_approves_and_refuses_what_the_page_shows(
    redis_url: str, tmp_path: Path
) -> None:
    async with bridge(redis_url) as (app, web), operators(web) as client:
        calls = app.runtime.stores.calls
        carried = ({"order": HOSTILE}, {"n": 1}, {"text": "x" * 30_000})
        made = [
            await calls.create(
                new_call(
                    to_approve=NewApproval(f"d{n}", "console", 60),
                    arguments=json.dumps(arguments).encode(),
                )
            )
            for n, arguments in enumerate(carried)
        ]
        async with hosting(tmp_path, "approvals", of(client)) as (host, chromium):
            await host.told({}, await of(client)("list_approvals", {}))
            await host.shows("pre", f'{{\n  "order": "{SHOWN}"\n}}', '{\n  "n": 1\n}')
            assert await chromium.run("inside('img').length === 0")
            assert await host.texts(".acts button") == [
                *("Approve", "Refuse", "Approve", "Refuse"),
                "Refuse",
            ]
            await chromium.run("inside('input')[0].value = 'a fine order'")
            await chromium.run("inside('.acts button')[0].click()")
            await host.shows("strong", "approved")
            await chromium.run("inside('.acts button')[1].click()")
            await host.shows("strong", "approved", "refused")
            await host.click("Refresh")
            await host.shows("#said", "1 calls wait.")
        ended = [await calls.read(each.call_id) for each in made]
    approvals = [each.approval for each in ended if each and each.approval]
    assert [each.status for each in approvals] == ["approved", "refused", "waiting"]
    assert (approvals[0].by, approvals[0].reason) == ("_operators/operator", "a fine order")


async def test_the_page_decides_about_what_it_has_shown_and_nothing_else(
    redis_url: str, tmp_path: Path
) -> None:
    async with bridge(redis_url) as (app, web), operators(web) as client:
        new = new_call(to_approve=NewApproval("the digest", "console", 60))
        call_id = (await app.runtime.stores.calls.create(new)).call_id
        told = await of(client)("list_approvals", {})
        told["structuredContent"]["approvals"][0]["digest"] = "of something else"
        async with hosting(tmp_path, "approvals", of(client)) as (host, _):
            await host.told({}, told)
            await host.shows(".acts button", "Approve", "Refuse")
            await host.click("Approve")
            said = "Nothing was decided: nothing was changed: this is not what the call would do"

            async def is_said() -> bool:
                return (await host.texts("#said"))[0].startswith(said)

            await wait_until(is_said, "that it was refused", 30)
        found = await app.runtime.stores.calls.read(call_id)
    assert found
    assert found.unapproved


async def test_a_viewer_sees_that_calls_wait_and_neither_arguments_nor_buttons(
    redis_url: str, tmp_path: Path
) -> None:
    async with bridge(redis_url) as (app, web), operators(web, VIEWER) as client:
        await app.runtime.stores.calls.create(
            new_call(to_approve=NewApproval("digest", "console", 60))
        )
        (row,) = (await use(client, "list_approvals"))["approvals"]
        assert {"digest", "arguments"} & row.keys() == set()
        async with hosting(tmp_path, "approvals", of(client)) as (host, _):
            await host.told({}, await of(client)("list_approvals", {}))
            await host.shows("#said", "1 calls wait.")
            assert await host.texts("button") == ["Refresh"]


async def test_each_server_has_the_pages_of_its_own_tools(redis_url: str) -> None:
    async with bridge(redis_url) as (_, web), operators(web) as client:
        tools = (await client.list_tools()).tools
        pages = {each.name: each.meta["ui"] for each in tools if each.meta and "ui" in each.meta}
        assert pages == {"list_approvals": {"resourceUri": APPROVALS_URI}}
        assert (await client.read_resource(APPROVALS_URI)).contents[0].uri == APPROVALS_URI
    async with open_workshop(redis_url) as workshop:
        asker = workshop.client()
        tools_there = (await asker.post(request("tools/list"))).json()["result"]["tools"]
        with_page = {
            each["name"]
            for each in tools_there
            if each.get("_meta", {}).get("ui", {}).get("resourceUri") == CALL_URI
        }
        assert with_page == {"by_console", "by_elicitation"}
        assert "visibility" not in json.dumps(tools_there)
        (there, not_there) = [
            (await asker.post(request("resources/read", uri=uri))).json()
            for uri in (CALL_URI, APPROVALS_URI)
        ]
        assert there["result"]["contents"][0]["uri"] == CALL_URI
        assert "error" in not_there


async def asked_by(workshop: Workshop) -> Answer:
    async def call_tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        client = workshop.client(takes_tasks=False)
        result: dict[str, Any] = (await client.post(call(name, **arguments))).json()["result"]
        return result

    return call_tool


async def test_who_asks_sees_what_waits_and_can_have_it_not_run(
    redis_url: str, tmp_path: Path
) -> None:
    async with open_workshop(redis_url) as workshop:
        tool = await asked_by(workshop)
        arguments = {"order": HOSTILE, "seconds": 0}
        first = await tool("by_console", arguments)
        async with hosting(
            tmp_path, "call", tool, name="by_console", title=f"Refund {HOSTILE}"
        ) as (host, chromium):
            await host.told(arguments, first)
            await host.shows("#arguments", f'{{\n  "order": "{SHOWN}",\n  "seconds": 0\n}}')
            (said,) = await host.texts("#said")
            assert "waits for the approval of an operator of the bridge" in said
            assert await chromium.run("inside('img').length === 0")
            assert await host.texts("button") == ["Refresh", "Do not run it"]
            await host.click("Refresh")
            await wait_until(lambda: "read_call" in host.called, "the page has asked")
            await host.click("Do not run it")
            await host.shows("#said", "cancelled on request")
            assert not await host.is_shown("Do not run it")
        assert workshop.n8n.seen.of() == []


async def test_the_page_says_how_it_has_ended(redis_url: str, tmp_path: Path) -> None:
    async with open_workshop(redis_url) as workshop:
        tool = await asked_by(workshop)
        first = await tool("by_console", {"seconds": 0})
        (waiting,) = (await workshop.http.get(f"{workshop.origin}/approvals")).json()["approvals"]
        async with hosting(tmp_path, "call", tool, name="by_console") as (host, _):
            await host.told({"seconds": 0}, first)
            await wait_until(lambda: asyncio.create_task(host.is_shown("Refresh")), "a button", 30)
            url = f"{workshop.origin}/calls/{waiting['call_id']}/refuse"
            body = {"digest": waiting["digest"], "reason": "too dear"}
            (await workshop.http.post(url, json=body)).raise_for_status()
            await host.click("Refresh")
            await host.shows("#said", "refused by operator: too dear")
