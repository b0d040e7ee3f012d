"""Hooks and workflows: what they take, as server files say, and forms to try them by."""

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from bridge.configuration.servers import Hook, Server, Workflow
from bridge.console.schema_forms import example_text, fields_of, filled_in
from bridge.console.visits import Visit
from bridge.errors import InvalidError, MalformedError, NotFoundError
from bridge.formats.payloads import Content
from bridge.log import OPERATOR, audit
from bridge.models import Json, Principal, new_call_id
from bridge.schemas.examples import example_of
from bridge.verbs.calls import CallRequest
from bridge.verbs.intake import Incoming
from bridge.web.problems import status_of

Take = Callable[[Json], Awaitable[Response]]


async def show_servers(visit: Visit) -> Response:
    """Show every server with its hooks and workflows, and what is paused."""
    pauses = await visit.runtime.operators.pausing.listed()
    return visit.page("servers.html", servers=list(visit.runtime.servers.values()), pauses=pauses)


async def show_hook(visit: Visit) -> Response:
    """Show what a hook takes and wants answered, with a form to send it an event."""
    return _hook_page(visit, *_hook(visit))


async def send_event(visit: Visit) -> Response:
    """Put an event on record as n8n would have sent it, and lead to it."""
    server, hook = _hook(visit)

    async def send(payload: Json) -> Response:
        content = Content.of_json(payload)
        event, _ = await visit.runtime.intake.accept(server, hook, Incoming(content))
        audit(visit.login.who, "console hooks send", event.event_id, "done")
        return visit.back_to(f"/events/{event.event_id}")

    return await _tried(
        visit, hook.payload, send, lambda **more: _hook_page(visit, server, hook, **more)
    )


async def show_workflow(visit: Visit) -> Response:
    """Show what a workflow takes and returns, with a form to run it."""
    return _workflow_page(visit, *_workflow(visit))


async def run_workflow(visit: Visit) -> Response:
    """Start a call as an operator, and lead to it."""
    server, workflow = _workflow(visit)

    async def run(arguments: Json) -> Response:
        if not isinstance(arguments, dict):
            raise MalformedError("arguments are an object of JSON: {…}")
        asked = CallRequest(
            Principal(server.name, OPERATOR), workflow, arguments, new_call_id(), promised=True
        )
        call = await visit.request.app.runtime.mcp.calls.start(asked)
        audit(visit.login.who, "console workflows run", call.call_id, "done")
        return visit.back_to(f"/calls/{call.call_id}")

    return await _tried(
        visit, workflow.input, run, lambda **more: _workflow_page(visit, server, workflow, **more)
    )


async def _tried(
    visit: Visit,
    schema: Mapping[str, Any] | None,
    take: Take,
    page: Callable[..., Response],
) -> Response:
    """Take what a form says; what is wrong with it is told above the form as it was filled in."""
    try:
        return await take(filled_in(schema, visit.form))
    except (InvalidError, MalformedError) as error:
        return page(status=status_of(error), fault=str(error))


def _hook_page(
    visit: Visit,
    server: Server,
    hook: Hook,
    status: int = HTTPStatus.OK,
    fault: str = "",
) -> Response:
    return _page(
        visit,
        status,
        server=server,
        part=hook,
        kind="hook",
        takes=hook.payload,
        gives=hook.reply,
        raw=f"POST /hooks/{server.name}/{hook.name}\ncontent-type: application/json\n\n"
        f"{example_text(hook.payload)}",
        question="",
        fault=fault,
    )


def _workflow_page(
    visit: Visit,
    server: Server,
    workflow: Workflow,
    status: int = HTTPStatus.OK,
    fault: str = "",
) -> Response:
    params = {"name": workflow.name, "arguments": example_of(workflow.input) or {}}
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    changes = (
        "" if workflow.annotations.read_only else f"Run {workflow.name}? It may change things."
    )
    return _page(
        visit,
        status,
        server=server,
        part=workflow,
        kind="workflow",
        takes=workflow.input,
        gives=workflow.output,
        raw=f"POST /mcp/{server.name}\n\n{json.dumps(request, indent=2, ensure_ascii=False)}",
        question=changes,
        fault=fault,
    )


def _page(visit: Visit, status: int, *, takes: Mapping[str, Any] | None, **values: Any) -> Response:
    return visit.page(
        "trial.html",
        status,
        fields=fields_of(takes),
        example=example_text(takes),
        filled=visit.form,
        schemas={
            name: json.dumps(schema, indent=2, ensure_ascii=False)
            for name, schema in (("takes", takes), ("gives", values["gives"]))
            if schema is not None
        },
        **values,
    )


def _server(visit: Visit) -> Server:
    server = visit.runtime.servers.get(visit.request.path_params["server"])
    if server is None:
        raise NotFoundError("no such server")
    return server


def _hook(visit: Visit) -> tuple[Server, Hook]:
    server = _server(visit)
    hook = server.hooks.get(visit.request.path_params["hook"])
    if hook is None:
        raise NotFoundError("no such hook")
    return server, hook


def _workflow(visit: Visit) -> tuple[Server, Workflow]:
    server = _server(visit)
    workflow = server.workflows.get(visit.request.path_params["workflow"])
    if workflow is None:
        raise NotFoundError("no such workflow")
    return server, workflow
