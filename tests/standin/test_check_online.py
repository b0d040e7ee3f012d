"""`check --online` compares server files with what n8n has: the stand-in, and a real n8n."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bridge.standin.serving import serving
from bridge.standin.standin import Standin
from tests.commands import run
from tests.processes import ROOT
from tests.serving import serving_any
from tests.standin.published import published_in

KEY = "a-key-of-n8ns-api"
SECRET = {"SECRET": "a-long-enough-secret-1"}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "number"}},
    "required": ["city"],
}
FORM = {
    "formTitle": "Book",
    "formFields": {"values": [{"fieldLabel": "Room", "requiredField": True}]},
}
FOLLOWED = {"responseData": "={{ JSON.stringify({ executionId: $execution.id }) }}"}


def node(name: str, kind: str, version: float, **parameters: Any) -> dict[str, Any]:
    """Return a node as n8n keeps it."""
    return {
        "id": name.lower().replace(" ", "-"),
        "name": name,
        "type": f"n8n-nodes-base.{kind}",
        "typeVersion": version,
        "position": [0, 0],
        "parameters": parameters,
    }


def workflow(title: str, *others: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    """Return a workflow with a webhook of its name that answers when the last node finishes."""
    path = title.lower().replace(" ", "-")
    given = {"httpMethod": "POST", "path": path, "responseMode": "lastNode", "options": {}}
    webhook = node("Webhook", "webhook", 2.1, **given | parameters)
    webhook["webhookId"] = f"0111e000-0000-4000-8000-{path.encode().hex()[-12:]}"
    last = node("Result", "set", 3.4, mode="raw", jsonOutput="{}", options={})
    linked = {"Webhook": {"main": [[{"node": "Result", "type": "main", "index": 0}]]}}
    return {
        "name": title,
        "nodes": [webhook, last, *others],
        "connections": linked,
        "settings": {"executionOrder": "v1"},
    }


def proven(made: dict[str, Any], authentication: str, kind: str) -> dict[str, Any]:
    """Return a workflow whose webhook asks for a credential of this kind."""
    made["nodes"][0]["parameters"]["authentication"] = authentication
    made["nodes"][0]["credentials"] = {kind: {"id": "1", "name": f"Online {kind}"}}
    return made


def workflows() -> list[dict[str, Any]]:
    form = node("Form", "formTrigger", 2.2, **FORM)
    sends = {"method": "POST", "url": "={{ $json.bridge }}/hooks/desk/gone", "options": {}}
    calls = {"method": "POST", "url": "={{ $json.headers['bridge-callback-url'] }}", "options": {}}
    return [
        workflow("Online plain"),
        workflow("Online get", httpMethod="GET"),
        {**workflow("Online draft"), "active": False},
        {**workflow("Online archived"), "active": False, "isArchived": True},
        proven(workflow("Online header"), "headerAuth", "httpHeaderAuth"),
        proven(workflow("Online basic"), "basicAuth", "httpBasicAuth"),
        proven(workflow("Online jwt"), "jwtAuth", "jwtAuth"),
        workflow("Online early", responseMode="onReceived"),
        workflow("Online followed", responseMode="onReceived", options=FOLLOWED),
        workflow("Online calls", node("Tell", "httpRequest", 4.2, **calls)),
        {**workflow("Online said"), "description": f"Weather.\n```json\n{json.dumps(SCHEMA)}\n```"},
        workflow("Online form", form),
        workflow("Online sends", node("To the desk", "httpRequest", 4.2, **sends)),
    ]


def entry(path: str, **more: Any) -> dict[str, Any]:
    """Return a workflow of a server file that nothing else is found of."""
    url = f"${{BRIDGE_N8N_URL}}/webhook/{path}"
    said = {"description": "Does it.", "annotations": {"read_only": True}}
    return {"url": url, **said, **more}


def taking(**properties: Any) -> dict[str, Any]:
    described = {name: {**each, "description": "It."} for name, each in properties.items()}
    return {"type": "object", "properties": described}


HEADER = {"header": {"name": "X-Key", "value": "env:SECRET"}}
BASIC = {"basic": {"user": "crm", "password": "env:SECRET"}}
BEARER = {"bearer": "env:SECRET"}
TEXT, NUMBER, INTEGER = ({"type": kind} for kind in ("string", "number", "integer"))

AGREED = {
    "plain": entry("online-plain"),
    "get": entry("online-get", method="GET"),
    "header": entry("online-header", auth=HEADER),
    "bearer": entry("online-header", auth=BEARER),
    "other_headers": entry("online-header", headers={"X-Key": "env:SECRET"}),
    "basic": entry("online-basic", auth=BASIC),
    "jwt": entry("online-jwt", auth=BEARER),
    "followed": entry("online-followed", result="execution"),
    "calls_back": entry("online-calls", result="callback"),
    "as_said": entry("online-said", input=taking(city=TEXT, days=INTEGER) | {"required": ["city"]}),
}
WRONG: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "missing": (
        entry("online-nope"),
        [("webhook-missing", "workflows.missing.url is no webhook that n8n has: give")],
    ),
    "elsewhere": (
        {**entry(""), "url": "https://hooks.example.org/webhook/online-plain"},
        [("webhook-elsewhere", "workflows.elsewhere.url is no webhook of the n8n at BRIDGE_")],
    ),
    "draft": (
        entry("online-draft"),
        [("webhook-unpublished", "is the webhook of “Online draft”, which n8n has not published")],
    ),
    "archived": (
        entry("online-archived"),
        [("webhook-unpublished", "the webhook of “Online archived”, which n8n has archived: rest")],
    ),
    "method": (
        entry("online-get"),
        [
            (
                "webhook-method",
                "is called with POST, but the webhook of “Online get” listens for GET",
            )
        ],
    ),
    "proves_nothing": (
        entry("online-header"),
        [("webhook-auth", "sends no credential, but the webhook of “Online header” asks for Head")],
    ),
    "proves_otherwise": (
        entry("online-basic", auth=HEADER),
        [("webhook-auth", "auth sends a header, but the webhook of “Online basic” asks for Basic")],
    ),
    "no_jwt": (
        entry("online-jwt", auth=HEADER),
        [("webhook-auth", "auth sends a header, but the webhook of “Online jwt” asks for JWT Au")],
    ),
    "open": (
        entry("online-plain", auth=HEADER),
        [("webhook-open", "sends a header, but the webhook of “Online plain” asks for none, so")],
    ),
    "early": (
        entry("online-early"),
        [("webhook-early", "gets none: the webhook of “Online early” answers at once, so Claude")],
    ),
    "unfollowed": (
        entry("online-early", result="execution"),
        [("webhook-result", "is `execution`, but the webhook of “Online early” does not answer")],
    ),
    "never_calls": (
        entry("online-plain", result="callback"),
        [("webhook-result", "is `callback`, but no node beside the webhook of “Online plain”")],
    ),
    "other_input": (
        entry("online-said", input=taking(city=NUMBER, mood=TEXT)),
        [
            ("webhook-input", "input lacks `days`, which n8n takes (the workflow's description)"),
            ("webhook-input", "input does not require `city`, as n8n does (the workflow's desc"),
            ("webhook-input", "properties.city is of type number here and string in n8n"),
            ("webhook-input", "properties.mood is nothing that n8n takes (the workflow's descr"),
        ],
    ),
    "form": (
        entry("online-form"),
        [("webhook-input", "lacks `Room`, which n8n takes (the form “Form”): add it")],
    ),
}


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.real_n8n)])
async def n8n(request: pytest.FixtureRequest) -> AsyncIterator[dict[str, str]]:
    """Start an n8n with the workflows; returns the variables that name it."""
    if request.param == "stand-in":
        standin = Standin(api_key=KEY)
        for each in workflows():
            (standin.published if each.get("active", True) else standin.drafts).append(each)
        async with standin, serving(standin) as url:
            yield {"BRIDGE_N8N_URL": url, "BRIDGE_N8N_API_KEY": KEY}
        return
    url = os.environ.get("BRIDGE_TEST_N8N_URL", "")
    key = os.environ.get("BRIDGE_TEST_N8N_API_KEY", "")
    if not url or not key:
        pytest.skip("BRIDGE_TEST_N8N_URL and BRIDGE_TEST_N8N_API_KEY name no n8n")
    async with published_in(url, key, workflows()):
        yield {"BRIDGE_N8N_URL": url, "BRIDGE_N8N_API_KEY": key}


def written(folder: Path, workflows: dict[str, Any]) -> Path:
    hook = {"description": "A question.", "auth": BEARER}
    server = {"name": "desk", "hooks": {"question": hook}, "workflows": workflows}
    file = folder / "desk.json"
    file.write_text(json.dumps(server, indent=1))
    return file


async def test_what_does_not_agree_with_n8n_is_found_where_it_stands_in_the_file(
    n8n: dict[str, str], tmp_path: Path
) -> None:
    file = written(tmp_path, {**AGREED, **{name: entry for name, (entry, _) in WRONG.items()}})
    status, said = await run(
        "check", str(file), "--online", "--format", "json", environ=n8n | SECRET
    )
    report = json.loads(said)
    found = [(each["rule"], each["sentence"]) for each in report["findings"]]
    expected = [each for _, all_of_one in WRONG.values() for each in all_of_one]
    sends = "hooks lacks `gone`, to which the node “To the desk” of n8n's workflow “Online sends”"
    for (rule, message), (expected_rule, part) in zip(
        found, [("hook-missing", sends), *expected], strict=True
    ):
        assert (rule, part in message) == (expected_rule, True), message
    assert status == 1
    assert report["compared"] == {"workflows": len(AGREED) + len(WRONG) - 1}


async def test_what_agrees_with_n8n_is_no_fault(n8n: dict[str, str], tmp_path: Path) -> None:
    file = written(tmp_path, AGREED)
    status, said = await run("check", str(file), "--online", environ=n8n | SECRET)
    assert status == 0, said
    assert f"Compared with n8n's webhooks: {len(AGREED)} workflows." in said


@pytest.mark.parametrize(
    ("servers", "imported"),
    [("examples", "examples/*/workflows/*.json"), ("n8n/templates.yaml", "n8n/*.json")],
)
async def test_what_ships_agrees_with_the_workflows_that_go_with_it(
    servers: str, imported: str
) -> None:
    config = ROOT / "config"
    published = [json.loads(file.read_text()) for file in sorted(config.glob(imported))]
    words = ("check", str(config / servers), "--online", "--assume-set", "--format", "json")
    async with Standin(api_key=KEY, published=published) as standin, serving(standin) as url:
        environ = {"BRIDGE_N8N_URL": url, "BRIDGE_N8N_API_KEY": KEY}
        status, said = await run(*words, environ=environ)
    report = json.loads(said)
    assert (status, report["findings"]) == (0, [])
    assert report["compared"]["workflows"] > 0


async def test_without_being_asked_for_n8n_is_left_alone(tmp_path: Path) -> None:
    file = written(tmp_path, {"missing": entry("online-nope")})
    environ = {"BRIDGE_N8N_URL": "http://127.0.0.1:9", **SECRET}
    status, said = await run("check", str(file), environ=environ)
    assert (status, said.endswith("no faults found\n")) == (0, True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"BRIDGE_N8N_API_KEY": "wrong"}, "n8n refuses BRIDGE_N8N_API_KEY: make a key"),
        ({"BRIDGE_N8N_API_KEY": ""}, "BRIDGE_N8N_API_KEY is not set: make a key"),
        ({"BRIDGE_N8N_URL": ""}, "BRIDGE_N8N_URL is not set: name the address"),
        ({"BRIDGE_N8N_URL": "http://127.0.0.1:9"}, "cannot be reached (ConnectError): is it run"),
    ],
)
async def test_an_n8n_that_cannot_be_asked_is_a_fault_beside_those_of_the_files(
    tmp_path: Path, change: dict[str, str], says: str
) -> None:
    file = written(tmp_path, {"bare": {**entry("bare"), "description": ""}})
    async with Standin(api_key=KEY) as standin, serving(standin) as url:
        environ = {"BRIDGE_N8N_URL": url, "BRIDGE_N8N_API_KEY": KEY, **SECRET, **change}
        status, said = await run("check", str(file), "--online", environ=environ)
    first, second = said.splitlines()
    assert (status, says in first) == (1, True), said
    assert "workflows.bare needs a `description`" in second


async def test_what_is_no_n8n_is_said_to_be_none(tmp_path: Path) -> None:
    async def page(_request: object) -> PlainTextResponse:
        return PlainTextResponse("<html>hello</html>", media_type="text/html")

    app = Starlette(routes=[Route("/{path:path}", page)])
    file = written(tmp_path, {"plain": entry("online-plain")})
    async with serving_any(app) as url:
        environ = {"BRIDGE_N8N_URL": url, "BRIDGE_N8N_API_KEY": KEY, **SECRET}
        status, said = await run("check", str(file), "--online", environ=environ)
    assert (status, "is not n8n's API: is BRIDGE_N8N_URL right?" in said) == (1, True)
