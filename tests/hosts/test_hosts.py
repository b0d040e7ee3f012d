"""The program that tries hosts, without those that must be installed first."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from tests.hosts.__main__ import CLIENTS, MISSING, main
from tests.hosts.host import Address, Answer, Host, HostError
from tests.hosts.matrix import PYTHON_SDK, WIRES, Travels, Way
from tests.hosts.python_sdk import python_sdk
from tests.hosts.scripted_model import FAREWELL, ScriptedModel
from tests.serving import serving_any

NAME = "mcp__bridge__slow_tool"
TOOL = {"name": NAME, "input_schema": {"type": "object"}}
GO = {"role": "user", "content": "go"}


@pytest.mark.parametrize("folder", [None, "nowhere"])
def test_without_its_clients_it_says_what_is_missing(folder: str | None) -> None:
    found = CliRunner().invoke(main, env={CLIENTS: folder})
    assert (found.exit_code, found.stderr.endswith(f"{MISSING}\n")) == (2, True)


@pytest.mark.parametrize("wire", WIRES)
async def test_n8n_goes_on_with_the_reply_of_a_host(wire: str, tmp_path: Path) -> None:
    way = Way(PYTHON_SDK, wire, python_sdk)
    seen = await Travels(1, tmp_path).go(way, "reply")
    assert (seen.is_fault, seen.line) == (False, "n8n went on with it (answered)")


async def test_a_host_that_ends_is_a_fault(tmp_path: Path) -> None:
    @contextlib.asynccontextmanager
    async def gone(_address: Address, _folder: Path) -> AsyncIterator[Host]:
        raise HostError("it has ended")
        yield

    seen = await Travels(1, tmp_path).go(Way("gone", "/mcp", gone), "take")
    assert seen.is_fault
    assert "it has ended" in seen.line


async def test_the_model_asks_until_it_hears_and_then_says_farewell() -> None:
    model = ScriptedModel()
    async with serving_any(model.app) as api, httpx2.AsyncClient(base_url=api) as http:
        answer = model.ask_for(NAME, {"label": "x"})
        model.say_farewell()
        (use,) = await spoken(http, GO)
        assert [use] == await spoken(http, GO)
        assert (use["name"], use["input"]) == (NAME, {"label": "x"})
        result = {"type": "tool_result", "tool_use_id": use["id"], "content": "done"}
        (text,) = await spoken(http, GO, {"role": "user", "content": [result]})
        assert (text["text"], await answer) == (FAREWELL, Answer("done", is_error=False))


async def spoken(http: httpx2.AsyncClient, *messages: object) -> list[dict[str, Any]]:
    """Let the model speak; returns the blocks of its message."""
    body = {"model": "any", "tools": [TOOL], "messages": messages}
    found: list[dict[str, Any]] = (await http.post("/v1/messages", json=body)).json()["content"]
    return found
