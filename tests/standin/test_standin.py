"""What the stand-in has that no n8n has: a memory, faults to order, and its mark."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from bridge.local.ports import free_port
from bridge.standin.app import create_standin
from bridge.standin.executions import KEPT, Executions
from bridge.standin.serving import serving
from bridge.standin.standin import Standin
from tests.raw_server import raw_server
from tests.waiting import wait_until

TOOL = "/webhook/slow-tool"
STARTED = {"message": "Workflow was started"}


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with Standin(has_control=True, retry_pause_s=0.01) as made:
        yield made


@pytest.fixture
async def http(standin: Standin) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        serving(standin) as url,
        httpx2.AsyncClient(base_url=url, timeout=10, trust_env=False) as client,
    ):
        yield client


async def order(http: httpx2.AsyncClient, **fault: Any) -> None:
    (await http.post("/standin/faults", json=fault)).raise_for_status()


async def park(http: httpx2.AsyncClient, **parking: Any) -> dict[str, str]:
    response = await http.post("/standin/executions", json=parking)
    parked: dict[str, str] = response.raise_for_status().json()
    return parked


async def seen(http: httpx2.AsyncClient, path: str = TOOL) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (
        await http.get("/standin/requests", params={"path": path})
    ).json()
    return listed


async def test_a_request_is_seen_from_its_arrival_on(http: httpx2.AsyncClient) -> None:
    call = asyncio.create_task(
        http.post(f"{TOOL}?a=%62", json={"seconds": 600}, headers={"X-Key": "k"})
    )
    await wait_until(lambda: seen(http), "the request is seen")
    (request,) = await seen(http)
    assert (request["method"], request["path"], request["target"]) == (
        "POST",
        TOOL,
        f"{TOOL}?a=%62",
    )
    assert request["headers"]["x-key"] == "k"
    assert request["body"] == {"seconds": 600}
    assert request["finished_at"] is None
    call.cancel()


async def test_a_request_that_has_ended_says_how(http: httpx2.AsyncClient) -> None:
    answer = (await http.post(TOOL, json={"seconds": 0})).json()
    await http.post(TOOL, json={})
    await http.post("/webhook/nope", json={})
    well, badly = await seen(http)
    assert (well["outcome"], badly["outcome"]) == (200, 500)
    assert well["execution"] == answer["execution"]
    assert well["started_at"] <= well["finished_at"]
    (unknown,) = await seen(http, "/webhook/nope")
    assert (unknown["outcome"], unknown["execution"]) == (404, None)


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ({"kind": "starting_up"}, 200, "n8n is starting up. Please wait"),
        ({"kind": "html_404"}, 404, f"Cannot POST {TOOL}"),
        ({"kind": "not_registered"}, 404, "is not registered"),
        ({"kind": "db_not_ready"}, 503, "Database is not ready!"),
        ({"kind": "status", "status": 524, "body": "a proxy"}, 524, "a proxy"),
    ],
)
async def test_a_fault_comes_as_often_as_ordered_and_runs_nothing(
    http: httpx2.AsyncClient, fault: dict[str, Any], status: int, text: str
) -> None:
    await order(http, path=TOOL, times=2, **fault)
    answers = [await http.post(TOOL, json={"seconds": 0}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert all(text in answer.text for answer in answers[:2])
    assert [request["execution"] for request in await seen(http)][:2] == [None, None]


async def test_a_fault_may_meet_all_paths_that_begin_alike(http: httpx2.AsyncClient) -> None:
    await order(http, path="/webhook*", kind="db_not_ready", times=2)
    await http.get("/healthz")
    assert (await http.post(TOOL, json={})).status_code == 503
    assert (await http.post("/webhook-waiting/1", json={})).status_code == 503


@pytest.mark.parametrize("kind", ["reset_before_answer", "reset_after_run"])
async def test_a_reset_breaks_the_connection_before_or_after_the_run(
    http: httpx2.AsyncClient, kind: str
) -> None:
    await order(http, path=TOOL, kind=kind)
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        await http.post(TOOL, json={"seconds": 0})
    (request,) = await seen(http)
    assert request["outcome"] == "reset"
    assert (request["execution"] is not None) == (kind == "reset_after_run")


async def test_a_resume_may_be_taken_and_its_answer_lost(http: httpx2.AsyncClient) -> None:
    parked = await park(http)
    await order(http, path="/webhook-waiting*", kind="reset_after_run")
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        await http.post(parked["replyUrl"], json={"a": 1})
    again = await http.post(parked["replyUrl"], json={"a": 1})
    assert again.status_code == 409
    execution = (await http.get(f"/standin/executions/{parked['id']}")).json()
    assert execution == {"id": parked["id"], "status": "success", "resumed_with": {"a": 1}}


async def test_a_fault_that_is_not_known_is_refused(http: httpx2.AsyncClient) -> None:
    response = await http.post("/standin/faults", json={"path": TOOL, "kind": "earthquake"})
    assert response.status_code == 400


async def test_an_execution_parks_with_the_suffix_ordered(http: httpx2.AsyncClient) -> None:
    bare = await park(http, suffixes=[""])
    assert bare["replyUrl"] == bare["resumeUrl"]
    assert (await http.post(bare["replyUrl"], json={})).json() == STARTED
    first = await park(http, suffixes=["one", "two"])
    assert (await http.post(first["replyUrl"], json={})).json() == STARTED
    assert (await http.post(first["replyUrl"], json={})).status_code == 404
    second = first["resumeUrl"].replace("?", "/two?")
    assert (await http.post(second, json={})).json() == STARTED


async def test_an_execution_may_park_late_run_on_and_fail(http: httpx2.AsyncClient) -> None:
    late = await park(http, parks_after_s=600)
    assert "is running already" in (await http.post(late["replyUrl"], json={})).text
    long = await park(http, runs_on_s=600)
    assert (await http.post(long["replyUrl"], json={})).json() == STARTED
    assert "is running already" in (await http.post(long["replyUrl"], json={})).text
    failing = await park(http, fails=True)
    await http.post(failing["replyUrl"], json={})
    assert "has finished with error" in (await http.post(failing["replyUrl"], json={})).text


async def test_a_wait_with_a_limit_goes_on_without_a_reply(http: httpx2.AsyncClient) -> None:
    parked = await park(http, limit_s=0.01)

    async def is_over() -> bool:
        return "has finished already" in (await http.post(parked["replyUrl"], json={})).text

    await wait_until(is_over, "the execution has gone on")


async def test_a_reset_forgets_what_was_seen_ordered_and_run(http: httpx2.AsyncClient) -> None:
    parked = await park(http)
    await order(http, path=TOOL, kind="html_404")
    waiting = asyncio.create_task(http.post("/webhook/slow-tool/", json={"seconds": 600}))
    await wait_until(lambda: seen(http, f"{TOOL}/"), "the call waits")
    await http.post("/standin/reset")
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        await waiting
    assert await seen(http, f"{TOOL}/") == []
    assert (await http.post(parked["replyUrl"], json={})).status_code == 404
    assert (await http.post(TOOL, json={"seconds": 0})).status_code == 200


async def test_without_control_nothing_is_open_and_nothing_is_kept() -> None:
    async with Standin() as standin, serving(standin) as url, httpx2.AsyncClient() as http:
        assert (await http.get(f"{url}/standin/requests")).status_code == 404
        await http.post(url + TOOL, json={"seconds": 0})
        assert standin.seen.of() == []


async def test_a_restart_breaks_connections_and_comes_back_on_its_port(standin: Standin) -> None:
    async with httpx2.AsyncClient(timeout=10, trust_env=False) as http:
        async with serving(standin, port := free_port()) as url:
            parked = await http.post(f"{url}/standin/executions", json={})
            call = asyncio.create_task(http.post(url + TOOL, json={"seconds": 600}))
            await wait_until(lambda: standin.seen.of(TOOL), "the call waits")
        with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
            await call
        with pytest.raises(httpx2.ConnectError):
            await http.post(url + TOOL, json={"seconds": 0})
        async with serving(standin, port):
            assert (await http.post(url + TOOL, json={"seconds": 0})).status_code == 200
            resumed = await http.post(parked.json()["replyUrl"], json={})
            assert resumed.json() == STARTED


async def test_a_run_goes_on_when_its_caller_has_left(
    standin: Standin, http: httpx2.AsyncClient
) -> None:
    async with raw_server() as bridge:
        bridge.gate.clear()
        call = asyncio.create_task(http.post("/webhook/ask-claude", json={"port": bridge.port}))
        await wait_until(lambda: bridge.requests, "the question is there")
        call.cancel()
        bridge.gate.set()
        (request,) = standin.seen.of("/webhook/ask-claude")
        run = standin.executions.find(str(request.execution))
        assert run is not None
        await wait_until(lambda: run.status == "waiting", "the execution has parked")


async def test_the_built_in_one_says_that_it_is_no_n8n() -> None:
    app = create_standin(built_in=True)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://n8n") as http,
    ):
        slow = (await http.post(TOOL, json={"seconds": 0, "label": "x"})).json()
        big = (await http.post("/webhook/big-tool", json={"rows": 1})).json()
        started = (await http.post("/webhook/execution-tool", json={"seconds": 0})).json()
        path = f"/api/v1/executions/{started['executionId']}?includeData=true"

        async def output() -> Any:
            execution = (await http.get(path, headers={"X-N8N-API-KEY": "any"})).json()
            ran = execution["data"]["resultData"]["runData"].get("Result")
            return ran and ran[0]["data"]["main"][0][0]["json"]

        await wait_until(output, "the execution has ended")
        for answer in (slow, big, await output()):
            assert answer["answered_by"] == "the bridge's built-in n8n stand-in"
        assert (await http.get("/standin/requests")).status_code == 404


async def test_the_api_wants_the_key_it_was_given() -> None:
    async with (
        Standin(api_key="right") as standin,
        serving(standin) as url,
        httpx2.AsyncClient(base_url=url) as http,
    ):
        path = "/api/v1/executions/1"
        wrong = await http.get(path, headers={"X-N8N-API-KEY": "wrong"})
        right = await http.get(path, headers={"X-N8N-API-KEY": "right"})
    assert (wrong.status_code, right.status_code) == (401, 404)


def test_only_so_many_executions_are_kept_and_no_waiting_one_is_lost() -> None:
    executions = Executions()
    first = executions.start("waits")
    for _ in range(KEPT + 10):
        executions.start("ends").status = "success"
    assert executions.find(first.execution_id) is first
    assert executions.find("2") is None
