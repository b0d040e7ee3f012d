"""The stand-in plays the workflows of server files, in the way and by the schema that they say."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.standin.described import flow_at
from bridge.standin.serving import serving
from bridge.standin.standin import Standin
from tests.raw_server import raw_server
from tests.waiting import wait_until

TEXT = {"type": "object", "properties": {"text": {"type": "string", "examples": ["HELLO"]}}}
CLOSED = {**TEXT, "additionalProperties": False}


async def answer(
    folder: Path, workflow: dict[str, Any], method: str = "POST", **request: Any
) -> httpx2.Response:
    """Write a server file with one workflow, at /webhook/a/b, and run that workflow."""
    described = {"url": "http://n8n/x/webhook/a/b", "description": "Any.", **workflow}
    file = {"name": "desk", "workflows": {"work": described}}
    (folder / "desk.json").write_text(json.dumps(file))
    environ = {"BRIDGE_SERVERS": str(folder), "BRIDGE_N8N_URL": "http://n8n"}
    environ |= {"BRIDGE_N8N_API_KEY": "any"}
    standin = Standin(answered_by="me", further=lambda path: flow_at(path, environ))
    async with standin, serving(standin) as url, httpx2.AsyncClient() as http:
        return await http.request(method, f"{url}/webhook/a/b", **request)


@pytest.mark.parametrize(
    ("output", "value"),
    [
        (TEXT, {"text": "HELLO", "answered_by": "me"}),
        (CLOSED, {"text": "HELLO"}),
        ({"type": "array", "items": TEXT}, [{"text": "HELLO"}]),
        (None, {"received": {"a": 1}, "answered_by": "me"}),
    ],
)
async def test_it_answers_what_the_output_allows_and_marks_it_where_it_may(
    output: Any, value: Any, tmp_path: Path
) -> None:
    workflow = {"output": output} if output else {}
    answered = await answer(tmp_path, workflow, json={"a": 1})
    assert (answered.status_code, answered.json()) == (200, value)


async def test_a_get_gets_its_query_back(tmp_path: Path) -> None:
    answered = await answer(tmp_path, {"method": "GET"}, "GET", params={"a": "1"})
    assert answered.json() == {"received": {"a": "1"}, "answered_by": "me"}


async def test_another_method_than_the_file_says_is_told_the_right_one(tmp_path: Path) -> None:
    answered = await answer(tmp_path, {"method": "PUT"}, json={})
    assert answered.status_code == 404
    assert "Did you mean to make a PUT request?" in answered.text


async def test_an_execution_is_answered_with_its_id(tmp_path: Path) -> None:
    answered = await answer(tmp_path, {"result": "execution"}, json={})
    assert (answered.status_code, answered.json().keys()) == (202, {"executionId"})


async def test_a_callback_posts_its_progress_and_its_result(tmp_path: Path) -> None:
    async with raw_server(closes=True) as bridge:
        workflow = {"result": "callback", "progress": True, "output": TEXT}
        headers = {"Bridge-Callback-Url": f"{bridge.url}/callbacks/call_1?token=t"}
        describing = {"url": "http://n8n/webhook/a/b", "description": "Any.", **workflow}
        (tmp_path / "desk.json").write_text(
            json.dumps({"name": "desk", "workflows": {"work": describing}})
        )
        environ = {"BRIDGE_SERVERS": str(tmp_path)}
        standin = Standin(further=lambda path: flow_at(path, environ))
        async with standin, serving(standin) as url, httpx2.AsyncClient() as http:
            answered = await http.post(f"{url}/webhook/a/b", json={}, headers=headers)
            assert answered.json() == {"message": "Workflow was started"}
            await wait_until(lambda: len(bridge.requests) == 2, "both reports are there")
        assert json.loads(bridge.body) == {"result": {"text": "HELLO"}}


async def test_what_no_server_file_has_is_not_registered(tmp_path: Path) -> None:
    answered = await answer(tmp_path, {"url": "http://n8n/webhook/other"}, json={})
    assert answered.status_code == 404
