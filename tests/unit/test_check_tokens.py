"""What tools cost in tokens: counted with a real tokenizer where there is one, else estimated."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

from bridge.authoring.checking.check import report
from bridge.authoring.checking.tokens import ESTIMATE, VOCABULARY, Costs, costs_of
from bridge.configuration.fields import BUILT_IN_TOOLS
from bridge.configuration.servers import Server
from bridge.mcp.endpoint import tools_of
from tests.commands import run
from tests.tokens.counting import compact, count

SERVER = Server.model_validate(
    {
        "name": "shop",
        "workflows": {
            "look_up": {"url": "http://n8n:5678/webhook/l", "description": "Looks a thing up."},
            "order": {
                "url": "http://n8n:5678/webhook/o",
                "description": "Orders a thing, and says when it comes.",
                "input": {"type": "object", "properties": {"sku": {"type": "string"}}},
            },
        },
    }
)


def without_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = importlib.import_module

    def refuse(name: str) -> ModuleType:
        if name == "bpe_openai":
            raise ImportError(name)
        return imported(name)

    monkeypatch.setattr(importlib, "import_module", refuse)


def test_tools_are_counted_as_claude_s_api_is_sent_them() -> None:
    costs = costs_of([SERVER])
    assert costs.counted_by == VOCABULARY
    (cost,) = costs.servers
    sent = {
        name: count(
            compact(
                {
                    "name": f"mcp__shop__{name}",
                    "description": tool.description,
                    "input_schema": tool.input,
                }
            )
        )
        for name, tool in tools_of(SERVER).items()
    }
    assert cost.workflows == (("order", sent["order"]), ("look_up", sent["look_up"]))
    assert cost.built_in == sum(sent[name] for name in BUILT_IN_TOOLS)
    assert cost.tokens == sum(sent.values())


def test_without_the_tokenizer_an_estimate_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    (counted,) = costs_of([SERVER]).servers
    without_tokenizer(monkeypatch)
    estimated: Costs = costs_of([SERVER])
    assert estimated.counted_by == ESTIMATE
    assert estimated.servers[0].tokens == pytest.approx(counted.tokens, rel=0.15)


def test_a_server_with_a_fault_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: S\n")
    assert report(tmp_path, {}).costs.servers == ()


async def test_the_command_shows_a_table_and_says_that_it_is_an_estimate() -> None:
    status, said = await run("check", environ={})
    assert status == 0
    head, columns, first, *_ = said.splitlines()
    assert "Claude's own tokenizer is not public" in head
    assert VOCABULARY in head
    assert columns.split() == ["server", "tool", "tokens"]
    assert first.split()[:2] == ["demo", "slow_tool"]
    assert "(9 of every server)" in said


async def test_programs_get_the_same_numbers() -> None:
    _, said = await run("check", "--format", "json", environ={})
    tokens = json.loads(said)["tokens"]
    (demo,) = tokens["servers"]
    assert demo["tokens"] == demo["built_in"] + sum(demo["workflows"].values())
    assert demo["workflows"].keys() == {"slow_tool", "failing_tool"}
