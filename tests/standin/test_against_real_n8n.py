"""The stand-in and a real n8n answer webhooks and the API alike."""

import base64
import json
from typing import Any

import pytest

from bridge.configuration.servers import Workflow
from bridge.models import Json
from bridge.n8n.client import N8n as BridgeN8n
from bridge.n8n.client import WorkflowRequest
from bridge.n8n.execution_answers import read_execution_answer
from bridge.n8n.outcomes import (
    Answered,
    AskAgain,
    ExecutionOutcome,
    Failed,
    MaybeRun,
    NotRegistered,
    Refused,
    RunOutcome,
    StillRunning,
    Succeeded,
    Unknown,
)
from bridge.verbs.runs import Followed, execution_in, follow
from tests.raw_server import raw_server
from tests.standin.real import ERROR_IN_WORKFLOW, HTML, JSON, PROBLEM, STARTED, N8n, refusal, told
from tests.waiting import wait_until

PDF = b"""%PDF-1.4
1 0 obj
<< /Type /Catalog /Pages 2 0 R >>
endobj
2 0 obj
<< /Type /Pages /Kids [4 0 R] /Count 1 >>
endobj
3 0 obj
<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>
endobj
4 0 obj
<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R
/Resources << /Font << /F1 3 0 R >> >> >>
endobj
5 0 obj
<< /Length 77 >>
stream
BT /F1 24 Tf 72 700 Td (Hello \\(bridge\\)) Tj 0 -30 Td (line two) Tj 0 -30 Td ET
endstream
endobj
trailer
<< /Size 6 /Root 1 0 R >>
%%EOF
"""


async def test_it_says_when_it_is_ready(n8n: N8n) -> None:
    assert told(await n8n.http.get("/healthz/readiness")) == (200, {"status": "ok"})


async def test_an_unknown_address_shows_a_page(n8n: N8n) -> None:
    response = await n8n.post("/nowhere", {})
    assert (response.status_code, response.headers["content-type"]) == (404, HTML)
    assert "<pre>Cannot POST /nowhere</pre>" in response.text


async def test_an_unknown_webhook_is_not_registered(n8n: N8n) -> None:
    status, body = told(await n8n.post("/webhook/no/such", {}))
    assert status == 404
    assert body["code"] == 404
    assert body["message"] == 'The requested webhook "POST no/such" is not registered.'
    assert body["hint"].startswith("The workflow must be active for a production URL")


async def test_another_method_is_told_the_right_one(n8n: N8n) -> None:
    message = (
        "This webhook is not registered for GET requests. Did you mean to make a POST request?"
    )
    assert told(await n8n.http.get("/webhook/slow-tool")) == refusal(404, message)


async def test_a_body_that_is_no_json_is_refused(n8n: N8n) -> None:
    headers = {"content-type": "application/json"}
    response = await n8n.http.post("/webhook/slow-tool", content=b"{bad", headers=headers)
    status, body = told(response)
    assert status == 422
    assert body["code"] == 422
    assert body["message"] == "Failed to parse request body"
    assert body["hint"].endswith("in JSON at position 1 (line 1 column 2)")


async def test_a_body_that_is_too_long_is_a_problem(n8n: N8n) -> None:
    assert told(await n8n.post("/webhook/slow-tool", {"a": "a" * 17_000_000})) == PROBLEM


@pytest.mark.parametrize("seconds", [0, 0.1, "0.1"])
async def test_the_slow_tool_tells_what_came(n8n: N8n, seconds: object) -> None:
    headers = {"X-Some-Name": "Value"}
    arguments = {"seconds": seconds, "label": {"a": [1, None]}}
    response = await n8n.http.post("/webhook/slow-tool", json=arguments, headers=headers)
    status, body = told(response)
    assert (status, response.headers["content-type"]) == (200, JSON)
    assert set(body) == {"label", "execution", "headers"}
    assert body["label"] == {"a": [1, None]}
    assert body["execution"].isdecimal()
    assert body["headers"]["x-some-name"] == "Value"
    assert body["headers"]["content-type"] == "application/json"


async def test_the_slow_tool_leaves_out_a_label_that_is_not_there(n8n: N8n) -> None:
    _, body = told(await n8n.post("/webhook/slow-tool/", {"seconds": 0}))
    assert set(body) == {"execution", "headers"}


@pytest.mark.parametrize("body", [{}, {"seconds": -1}, {"seconds": "x"}, {"seconds": None}, [1]])
async def test_the_slow_tool_fails_without_seconds(n8n: N8n, body: object) -> None:
    assert told(await n8n.post("/webhook/slow-tool", body)) == ERROR_IN_WORKFLOW


async def test_the_failing_tool_fails_and_does_not_say_how(n8n: N8n) -> None:
    assert told(await n8n.post("/webhook/failing-tool", {})) == ERROR_IN_WORKFLOW


@pytest.mark.parametrize("rows", [None, 2, "2", 2.5, -1])
async def test_the_big_tool_gives_rows(n8n: N8n, rows: object) -> None:
    given = {} if rows is None else {"rows": rows}
    status, body = told(await n8n.post("/webhook/big-tool", given))
    count = {None: 5000, -1: 0}.get(rows, 2) if rows is None or isinstance(rows, int) else 2
    assert status == 200
    assert len(body["rows"]) == count
    assert body["rows"][1:2] == [
        {"id": 1, "name": "row 1", "note": None, "tags": [], "amount": 37}
    ] * bool(count)


async def test_the_big_tools_answer_is_as_long(n8n: N8n) -> None:
    assert len((await n8n.post("/webhook/big-tool", {})).content) == 322_240


async def test_the_execution_tool_answers_with_its_execution(n8n: N8n) -> None:
    response = await n8n.post("/webhook/execution-tool", {"seconds": 0, "label": "x"})
    assert (response.status_code, response.headers["content-type"]) == (202, HTML)
    assert set(response.json()) == {"executionId"}


async def test_an_execution_tells_how_it_went(n8n: N8n) -> None:
    if not n8n.api_key:
        pytest.skip("BRIDGE_TEST_N8N_API_KEY is not set")
    key = {"X-N8N-API-KEY": n8n.api_key}

    async def execution(execution_id: str, params: dict[str, str] | None = None) -> Any:
        path = f"/api/v1/executions/{execution_id}"
        return told(await n8n.http.get(path, headers=key, params=params))

    async def ended(execution_id: str) -> Any:
        async def is_over() -> bool:
            return (await execution(execution_id))[1]["status"] not in ("new", "running")

        await wait_until(is_over, "the execution has ended")
        return (await execution(execution_id, {"includeData": "true"}))[1]

    path = "/webhook/execution-tool"
    started = (await n8n.post(path, {"seconds": 0.5, "label": "x"})).json()["executionId"]
    under_way = (await execution(started, {"includeData": "true"}))[1]
    assert (under_way["status"], under_way["finished"]) == ("running", False)
    assert under_way["stoppedAt"] is None
    assert under_way["data"]["resultData"]["runData"] == {}
    well = await ended(started)
    assert (well["status"], well["finished"], well["id"]) == ("success", True, started)
    result = well["data"]["resultData"]
    ran = result["runData"][result["lastNodeExecuted"]][-1]
    assert result["lastNodeExecuted"] == "Result"
    assert ran["data"]["main"][0][0]["json"] == {"label": "x"}
    assert len(well["data"]["resumeToken"]) == 64
    badly = await ended((await n8n.post(path, {})).json()["executionId"])
    assert (badly["status"], badly["finished"]) == ("error", False)
    error = badly["data"]["resultData"]["error"]
    assert error["message"] == "Invalid wait amount. Please enter a number that is 0 or greater."
    assert (error["node"]["name"], badly["data"]["resultData"]["lastNodeExecuted"]) == (
        "Wait",
        "Wait",
    )
    assert await execution("999999999") == (404, {"message": "Not Found"})
    positive = {"message": "request/params/executionId must be a positive integer"}
    assert await execution("x") == (400, positive)


async def test_the_bridge_reads_executions_right(n8n: N8n) -> None:
    if not n8n.api_key:
        pytest.skip("BRIDGE_TEST_N8N_API_KEY is not set")

    async def read(execution_id: str, key: str = n8n.api_key) -> ExecutionOutcome:
        response = await n8n.http.get(
            f"/api/v1/executions/{execution_id}",
            params={"includeData": "true"},
            headers={"X-N8N-API-KEY": key},
        )
        return read_execution_answer(
            response.status_code, response.headers["content-type"], response.content
        )

    async def outcome(arguments: dict[str, Json]) -> ExecutionOutcome:
        started = (await n8n.post("/webhook/execution-tool", arguments)).json()["executionId"]

        async def is_over() -> bool:
            return not isinstance(await read(started), StillRunning)

        await wait_until(is_over, "the execution has ended")
        return await read(started)

    started = (await n8n.post("/webhook/execution-tool", {"seconds": 2})).json()["executionId"]
    assert await read(started) == StillRunning()
    assert await outcome({"seconds": 0, "label": "x"}) == Succeeded({"label": "x"})
    assert await outcome({}) == Failed(
        'the workflow failed in n8n at the node "Wait"',
        "Invalid wait amount. Please enter a number that is 0 or greater.",
    )
    assert isinstance(await read("999999999"), Unknown)
    assert isinstance(await read("x"), Unknown)
    assert isinstance(await read("1", key=""), Unknown)


async def test_the_bridge_follows_an_execution(n8n: N8n) -> None:
    if not n8n.api_key:
        pytest.skip("BRIDGE_TEST_N8N_API_KEY is not set")
    base_url = str(n8n.http.base_url)

    async def look(_workflow: Workflow, execution: str) -> ExecutionOutcome:
        return await bridge.look_at(base_url, n8n.api_key, execution)

    async def outcome(arguments: dict[str, Json]) -> RunOutcome:
        told = (await n8n.post("/webhook/execution-tool", arguments)).json()
        workflow = Workflow(url=f"{base_url}/webhook/execution-tool", result="execution")
        return await follow(Followed(workflow, execution_in(told) or "", 0, 20), look)

    async with BridgeN8n() as bridge:
        assert await outcome({"seconds": 0.5, "label": "x"}) == Answered({"label": "x"})
        assert isinstance(await outcome({}), Refused)
        assert isinstance(await bridge.look_at(base_url + "/no", n8n.api_key, "1"), AskAgain)


async def test_executions_need_a_key_and_no_bot(n8n: N8n) -> None:
    path = "/api/v1/executions/1"
    assert told(await n8n.http.get(path)) == (401, {"message": "Unauthorized"})
    bot = {"User-Agent": "a robot", "X-N8N-API-KEY": n8n.api_key}
    assert (await n8n.http.get(path, headers=bot)).status_code == 204


async def test_the_callback_tool_reports_progress_and_its_result(n8n: N8n) -> None:
    async with raw_server(closes=True) as bridge:
        headers = {"Bridge-Callback-Url": f"{bridge.url}/callbacks/call_1?token=t"}
        body = {"seconds": 0.05, "label": "x"}
        response = await n8n.http.post("/webhook/callback-tool", json=body, headers=headers)
        assert told(response) == (200, STARTED)
        await wait_until(lambda: len(bridge.requests) == 2, "both reports are there")
        result = json.loads(bridge.body)["result"]
        assert result == {"label": "x", "execution": result["execution"]}
        assert bridge.target == b"/callbacks/call_1?token=t"
        assert bridge.headers["user-agent"] == "n8n"
        bridge.requests.pop()
        assert json.loads(bridge.body) == {"progress": 0.5, "message": "half way"}


async def test_the_pdf_tool_reads_text(n8n: N8n) -> None:
    pdf_base64 = base64.b64encode(PDF).decode()
    status, body = told(await n8n.post("/webhook/pdf-tool", {"pdf_base64": pdf_base64}))
    assert status == 200
    assert (body["numpages"], body["text"]) == (1, "Hello (bridge)\nline two")


@pytest.mark.parametrize("given", [{}, {"pdf_base64": ""}, {"pdf_base64": "aGVsbG8="}])
async def test_the_pdf_tool_fails_on_what_is_no_pdf(n8n: N8n, given: object) -> None:
    assert told(await n8n.post("/webhook/pdf-tool", given)) == ERROR_IN_WORKFLOW


async def test_the_bridge_reads_the_answers_right(n8n: N8n) -> None:
    async def run(name: str, arguments: dict[str, Json]) -> RunOutcome:
        workflow = Workflow(url=str(n8n.http.base_url.join(f"/webhook/{name}")))
        outcome = await bridge.run_workflow(WorkflowRequest(workflow, arguments, "call_1", ""), 20)
        assert outcome
        return outcome

    async with BridgeN8n() as bridge:
        slow = await run("slow-tool", {"seconds": 0, "label": "x"})
        assert isinstance(slow, Answered)
        assert isinstance(slow.value, dict)
        assert isinstance(slow.value["headers"], dict)
        assert slow.value["headers"]["idempotency-key"] == "call_1"
        assert isinstance(await run("execution-tool", {"seconds": 0}), Answered)
        assert isinstance(await run("failing-tool", {}), MaybeRun)
        assert isinstance(await run("no-such-tool", {}), NotRegistered)
