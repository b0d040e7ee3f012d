"""People approve of calls in a real n8n: it takes the question, and they answer on a page of it."""

import asyncio
import json
from typing import Any

import pytest
from mcp.client import Client

from tests.bridge_processes import Bridge
from tests.claude import use
from tests.journeys import end_of
from tests.n8n.real import TEMPLATES, WRITTEN_ADDRESS, RealN8n, at
from tests.n8n.test_alerts import output_of
from tests.waiting import wait_until

pytestmark = [pytest.mark.real_n8n, pytest.mark.timeout(300)]

EVERY_MINUTE = {"field": "minutes", "minutesInterval": 1}
OFTEN = {"field": "seconds", "secondsInterval": 2}
TOOL = "tool_that_a_person_approves"
HOSTILE = 'A7</pre><a href="https://evil.example">fine</a>\n"eur": 1, \u202e 🦀'
SHOWN = (
    "A7&lt;/pre&gt;&lt;a href=\\&quot;https://evil.example\\&quot;&gt;fine&lt;/a&gt;"
    "\\n\\&quot;eur\\&quot;: 1, \\u202e \\ud83e\\udd80"
)


class People:
    """Reads what the workflow tells people, opens the page, and sends it."""

    def __init__(self, n8n: RealN8n, workflow: str) -> None:
        self._n8n = n8n
        self.workflow = workflow

    async def told(self) -> list[dict[str, Any]]:
        """Return what they are told of questions that nobody has answered yet."""
        path = f"/executions?workflowId={self.workflow}&includeData=true&status=waiting"
        found = (await self._n8n.api("GET", path))["data"]
        runs = [each["data"]["resultData"]["runData"] for each in found]
        return [item for run in runs for item in output_of(run, "Tell people")]

    async def next(self) -> dict[str, Any]:
        await wait_until(self.told, "n8n has asked a person", 60)
        (told,) = await self.told()
        return told

    async def page(self, told: dict[str, Any]) -> str:
        return (await self._n8n.http.get(told["form"])).raise_for_status().text

    async def answer(self, told: dict[str, Any], answer: str, why: str = "") -> None:
        fields = {"field-1": json.dumps([answer]), "field-2": why}
        files = {name: (None, value) for name, value in fields.items()}
        answered = await self._n8n.http.post(told["form"], files=files)
        assert answered.is_success, answered.text


@pytest.fixture
async def people(n8n: RealN8n, bridge: Bridge) -> People:
    text = (TEMPLATES / "tool-that-a-person-approves.json").read_text()
    assert json.dumps(EVERY_MINUTE) in json.dumps(json.loads(text))
    workflow = json.loads(text.replace(WRITTEN_ADDRESS, bridge.webs[0].url))
    for node in workflow["nodes"]:
        if node["name"] == "Every minute":
            node["parameters"]["rule"]["interval"] = [OFTEN]
    return People(n8n, await n8n.publish(workflow))


async def ask(client: Client, **arguments: object) -> "asyncio.Task[dict[str, Any]]":
    """Make the call that a person is asked about; what it tells comes once it is answered."""
    return asyncio.create_task(use(client, TOOL, **arguments))


async def ended(client: Client, asking: "asyncio.Task[dict[str, Any]]") -> dict[str, Any]:
    told = await asking
    return await end_of(client, told["call_id"]) if "call_id" in told else {"result": told}


async def test_a_person_who_agrees_on_n8ns_page_has_the_call_run(
    people: People, bridge: Bridge
) -> None:
    async with at(bridge) as client:
        asking = await ask(client, order=HOSTILE, eur=12.5)
        told = await people.next()
        assert told["text"].startswith(f"May {TOOL} be run? TEMPLATES_TOKEN asks, until 2")
        page = await people.page(told)
        assert SHOWN in page.replace('\\"', "\\&quot;")
        assert "<a href=" not in page.partition("<form")[2].partition("</form>")[0]
        await people.answer(told, "Run it", "a fine order")
        assert (await ended(client, asking))["result"] == {"order": HOSTILE, "paid_eur": 12.5}
        (call,) = (await use(client, "list_calls"))["calls"]
        approvals = await bridge.http.get(f"{bridge.webs[0].url}/approvals")
    assert call["status"] == "succeeded"
    assert approvals.json() == {"approvals": []}


async def test_a_person_who_does_not_agree_ends_the_call_and_says_why(
    people: People, bridge: Bridge
) -> None:
    async with at(bridge) as client:
        asking = asyncio.create_task(client.call_tool(TOOL, {"order": "A8", "eur": 900}))
        await people.answer(await people.next(), "Do not run it", "too dear")
        refused = await asking
    assert refused.is_error
    assert "refused by approver: too dear" in refused.model_dump_json()


async def test_what_the_page_cannot_show_whole_cannot_be_approved_on_it(
    people: People, bridge: Bridge
) -> None:
    async with at(bridge) as client:
        asking = asyncio.create_task(client.call_tool(TOOL, {"order": "9" * 30_000, "eur": 1}))
        told = await people.next()
        assert "too long for this page" in told["text"]
        await people.answer(told, "Run it")
        refused = await asking
    assert refused.is_error
    assert "its arguments could not be shown whole" in refused.model_dump_json()


async def test_who_does_not_have_the_address_of_the_page_cannot_answer(
    people: People, bridge: Bridge, n8n: RealN8n
) -> None:
    async with at(bridge) as client:
        asking = await ask(client, order="A9", eur=1)
        told = await people.next()
        address = told["form"].partition("?")[0]
        for guess in ("", "?signature=0", f"?signature={'0' * 64}"):
            answer = await n8n.http.post(address + guess, files={"field-1": (None, "Run it")})
            assert answer.status_code in (401, 403, 404)
        assert len(await people.told()) == 1
        await people.answer(told, "Do not run it")
        with pytest.raises(AssertionError, match="refused by approver"):
            await ended(client, asking)


async def test_a_page_that_is_answered_after_an_operator_has_decided_changes_nothing(
    people: People, bridge: Bridge, n8n: RealN8n
) -> None:
    async with at(bridge) as client:
        asking = await ask(client, order="A10", eur=1)
        told = await people.next()
        web = bridge.webs[0].url
        (waiting,) = (await bridge.http.get(f"{web}/approvals")).json()["approvals"]
        url, body = f"{web}/calls/{waiting['call_id']}/approve", {"digest": waiting["digest"]}
        (await bridge.http.post(url, json=body)).raise_for_status()
        assert (await ended(client, asking))["result"] == {"order": "A10", "paid_eur": 1}
        await people.answer(told, "Do not run it", "too late")
        found = await wait_for_errors(n8n, people.workflow)
        (call,) = (await use(client, "list_calls"))["calls"]
    assert call["status"] == "succeeded"
    assert "that was decided elsewhere" in found


async def wait_for_errors(n8n: RealN8n, workflow: str) -> str:
    """Return what an execution has failed with, as who looks after n8n sees it."""
    path = f"/executions?workflowId={workflow}&includeData=true&status=error"

    async def failed() -> bool:
        return bool((await n8n.api("GET", path))["data"])

    await wait_until(failed, "the execution has failed", 60)
    (execution,) = (await n8n.api("GET", path))["data"]
    message: str = execution["data"]["resultData"]["error"]["message"]
    return message
