"""The importable workflows, those of the examples among them, and the templates' server file."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bridge.authoring.checking.check import check, errors
from bridge.configuration.server_files import read_server_files
from bridge.configuration.servers import Server

CONFIG = Path(__file__).parents[2] / "config"
TEMPLATES = sorted([*CONFIG.glob("n8n/*.json"), *CONFIG.glob("examples/*/workflows/*.json")])
EXAMPLE = CONFIG / "n8n" / "templates.yaml"
ENVIRON = {
    "BRIDGE_N8N_URL": "http://n8n:5678",
    "BRIDGE_N8N_API_KEY": "key",
    "TEMPLATES_TOKEN": "a",
    "TEMPLATES_APPROVER_TOKEN": "d",
    "TEMPLATES_HOOK_TOKEN": "b",
    "TEMPLATES_TOOL_TOKEN": "c",
    "TEMPLATES_SIGNING_SECRET": "whsec_YSBzZWNyZXQgb2YgZW5vdWdoIGNoYXJhY3RlcnM=",
}


def server() -> Server:
    return read_server_files(EXAMPLE, ENVIRON).servers["templates"]


def nodes(template: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(template.read_text())["nodes"]
    return found


def test_the_example_has_no_fault() -> None:
    assert errors(check(EXAMPLE, ENVIRON)) == ()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_has_what_n8n_needs_to_import_it(template: Path) -> None:
    workflow = json.loads(template.read_text())
    assert {"id", "name", "nodes", "connections", "settings"} <= set(workflow)
    assert workflow["active"] is False
    assert "n8n-nodes-base.stickyNote" in {node["type"] for node in workflow["nodes"]}
    assert len({node["name"] for node in workflow["nodes"]}) == len(workflow["nodes"])


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_a_repeat_can_never_resume_the_next_wait_node(template: Path) -> None:
    resumed = ("webhook", "form")
    waits = [node for node in nodes(template) if node["parameters"].get("resume") in resumed]
    suffixes = [node["parameters"]["options"]["webhookSuffix"] for node in waits]
    assert len(set(suffixes)) == len(waits)
    for suffix in suffixes:
        assert f"replace('?', '/{suffix}?')" in template.read_text()


def test_each_hook_and_workflow_of_the_example_has_a_template() -> None:
    texts = "".join(template.read_text() for template in TEMPLATES)
    for hook in server().hooks:
        assert f'/hooks/templates/{hook}"' in texts or f"hook: '{hook}'" in texts
    for workflow in server().workflows.values():
        assert f'"path": "{workflow.url.partition("/webhook/")[2]}"' in texts


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_what_a_template_sends_is_an_object_for_n8n_sends_texts_as_forms(template: Path) -> None:
    for node in nodes(template):
        sent = node["parameters"].get("jsonBody")
        assert sent is None or sent.startswith("={{ JSON.stringify({ ")


OF_N8N = {"n8n-nodes-base", "@n8n/n8n-nodes-langchain"}
LISTED = sorted(CONFIG.glob("n8n/*.json"))
LIBRARY = (CONFIG.parent / "docs" / "n8n-templates.md").read_text()


@pytest.mark.parametrize("template", LISTED, ids=lambda path: path.stem)
def test_a_template_is_fit_for_n8ns_library_and_on_the_page_about_it(template: Path) -> None:
    workflow, text = json.loads(template.read_text()), template.read_text()
    notes = [each for each in workflow["nodes"] if each["type"].endswith(".stickyNote")]
    assert any("\n1. " in note["parameters"]["content"] for note in notes)
    assert {each["type"].partition(".")[0] for each in workflow["nodes"]} <= OF_N8N
    assert not workflow.keys() & {"pinData", "staticData", "versionId", "tags", "shared", "meta"}
    assert not re.search(r"Bearer (?!Auth\*)[\w=]|whsec_\w|eyJ\w", text)
    assert set(re.findall(r"https?://([^/\"]+)", text)) <= {"127.0.0.1:8080"}
    asked = {each["name"] for node in workflow["nodes"] for each in credentials_of(node)}
    (row,) = (line for line in LIBRARY.splitlines() if f"/config/n8n/{template.name})" in line)
    assert all(said in row for said in (workflow["name"], workflow["description"], *asked))


def credentials_of(node: dict[str, Any]) -> list[dict[str, str]]:
    return list(node.get("credentials", {}).values())
