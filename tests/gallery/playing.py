"""The workflows of the examples, played by the stand-in from the very files that n8n imports.

On purpose:
1. Only the nodes, and of them only the options, that the examples have: any other is an error.
2. Retry On Fail is left out: the scripts break nothing that it would mend.
3. A trigger other than a webhook never starts anything.
4. A webhook that answers at once has answered before it looks at the credential.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from bridge.models import Json
from bridge.standin.answers import RefusalError, answered_text
from bridge.standin.executions import Item, WorkflowFailedError
from bridge.standin.runs import Run
from bridge.standin.workflows import Flow, execution_id_at_once, started_at_once
from tests.gallery.javascript import JavaScript, ScriptError

Items = list[dict[str, Any]]
"""What nodes hand on: each has its data under `json`."""

UNITS_S = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}


def given_by(came: Item) -> Items:
    """Return what a node gives out that was called."""
    told = {"headers": came.headers, "params": {}, "query": came.query, "body": came.body}
    return [{"json": told}]


class PlayedFiles:
    """Workflows by the paths of their webhooks; `credentials` are header and value by id."""

    def __init__(
        self, credentials: Mapping[str, Mapping[str, str]], javascript: JavaScript
    ) -> None:
        self._credentials = credentials
        self._javascript = javascript
        self._webhooks: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    async def publish(self, workflow: dict[str, Any]) -> None:
        """Play a workflow from now on."""
        for node in workflow["nodes"]:
            if node["type"] == "n8n-nodes-base.webhook":
                self._webhooks[node["parameters"]["path"]] = (workflow, node)

    def flow_at(self, path: str) -> Flow | None:
        """Find the workflow with this path, as the stand-in asks for it."""
        if path not in self._webhooks:
            return None
        workflow, webhook = self._webhooks[path]

        async def play(run: Run) -> Json:
            return await Playing(workflow, run, self._credentials, self._javascript).play(webhook)

        at_once = None
        if webhook["parameters"].get("responseMode", "onReceived") == "onReceived":
            follows = "responseData" in webhook["parameters"]["options"]
            at_once = execution_id_at_once if follows else started_at_once
        return Flow(workflow["id"], play, at_once, webhook["parameters"]["httpMethod"])


@dataclass
class Playing:
    """One execution of a workflow."""

    workflow: dict[str, Any]
    run: Run
    credentials: Mapping[str, Mapping[str, str]]
    javascript: JavaScript
    given_out: dict[str, Items] = field(default_factory=dict)
    response: Json = None

    async def play(self, webhook: dict[str, Any]) -> Json:
        """Run node after node from a webhook on; return its answer, else what the last gave out.

        Raises:
            RefusalError: the caller has not the webhook's credential.
            WorkflowFailedError: a node has failed.
        """
        came = self.run.item
        if self._header_of(webhook).items() - came.headers.items():
            raise RefusalError(answered_text("Authorization data is wrong!", 403))
        due = deque([(webhook["name"], given_by(came))])
        nodes = {node["name"]: node for node in self.workflow["nodes"]}
        while due:
            name, items = due.popleft()
            outputs = [items] if name == webhook["name"] else await self._ran(nodes[name], items)
            self.given_out[name] = [item for output in outputs for item in output]
            wires = self.workflow["connections"].get(name, {}).get("main", [])
            for output, ends in zip(outputs, wires, strict=False):
                due.extend((end["node"], output) for end in ends if output)
        return self.run.execution.output if self.response is None else self.response

    async def _ran(self, node: dict[str, Any], items: Items) -> list[Items]:
        """Return what a node gives out, for each of its outputs."""
        play = {
            "code": self._code,
            "httpRequest": self._http_request,
            "if": self._if,
            "respondToWebhook": self._respond,
            "splitOut": self._split_out,
            "wait": self._wait,
        }[node["type"].removeprefix("n8n-nodes-base.")]
        try:
            outputs = await play(node, items)
        except ScriptError as error:
            raise WorkflowFailedError(str(error), node["name"]) from error
        for item in outputs[0][-1:]:
            self.run.ran(node["name"], item["json"])
        return outputs

    async def _code(self, node: dict[str, Any], items: Items) -> list[Items]:
        code = node["parameters"]["jsCode"]
        return [await self.javascript.run_code(code, self._context(items, 0))]

    async def _http_request(self, node: dict[str, Any], items: Items) -> list[Items]:
        """Send a request for each item; a list that is answered becomes an item each."""
        answered: Items = []
        for index in range(len(items)):
            parameters = await self._parameters(node, items, index)
            value = await self._requested(node, parameters)
            answered += [{"json": each} for each in (value if isinstance(value, list) else [value])]
        if not answered and node.get("alwaysOutputData"):
            answered = [{"json": {}}]
        return [answered]

    async def _requested(self, node: dict[str, Any], parameters: dict[str, Any]) -> Any:
        headers = {
            header["name"]: str(header["value"])
            for header in parameters.get("headerParameters", {}).get("parameters", [])
        }
        body = json.loads(parameters["jsonBody"]) if parameters.get("sendBody") else None
        try:
            response = await self.run.outside.http.request(
                parameters.get("method", "GET"),
                parameters["url"],
                json=body,
                headers=headers | self._header_of(node),
            )
        except httpx2.HTTPError as error:
            raise WorkflowFailedError(type(error).__name__, node["name"]) from error
        if not response.is_success:
            message = f"Request failed with status code {response.status_code}"
            raise WorkflowFailedError(message, node["name"])
        is_json = "json" in response.headers.get("content-type", "")
        return response.json() if is_json else {"data": response.text}

    async def _if(self, node: dict[str, Any], items: Items) -> list[Items]:
        """Hand each item to the first output if its one condition is true, else to the second."""
        outputs: list[Items] = [[], []]
        for index, item in enumerate(items):
            conditions = (await self._parameters(node, items, index))["conditions"]["conditions"]
            (condition,) = conditions
            assert condition["operator"] == {
                "type": "boolean",
                "operation": "true",
                "singleValue": True,
            }
            outputs[0 if condition["leftValue"] is True else 1].append(item)
        return outputs

    async def _respond(self, node: dict[str, Any], items: Items) -> list[Items]:
        parameters = await self._parameters(node, items, 0)
        assert parameters["respondWith"] == "json"
        self.response = json.loads(parameters["responseBody"])
        return [items]

    async def _split_out(self, node: dict[str, Any], items: Items) -> list[Items]:
        """Make an item of each member of a list."""
        split: Items = []
        for item in items:
            value: Any = item["json"]
            for name in node["parameters"]["fieldToSplitOut"].split("."):
                value = value[name]
            split += [{"json": each} for each in value]
        return [split]

    async def _wait(self, node: dict[str, Any], items: Items) -> list[Items]:
        """Park until a call resumes it; go on with the same items when none does in time."""
        parameters = node["parameters"]
        assert parameters["resume"] == "webhook"
        limit_s = parameters["resumeAmount"] * UNITS_S[parameters["resumeUnit"]]
        suffix = parameters["options"]["webhookSuffix"]
        item = await self.run.execution.park(suffix, parameters["httpMethod"], limit_s)
        return [items if item is None else given_by(item)]

    def _header_of(self, node: dict[str, Any]) -> dict[str, str]:
        """Return the header of a node's credential, as it is sent; none where it has none."""
        chosen = node.get("credentials", {}).get("httpHeaderAuth")
        if chosen is None:
            return {}
        header = self.credentials[chosen["id"]]
        return {header["name"].lower(): header["value"]}

    async def _parameters(self, node: dict[str, Any], items: Items, index: int) -> dict[str, Any]:
        filled: dict[str, Any] = await self.javascript.filled(
            node["parameters"], self._context(items, index)
        )
        return filled

    def _context(self, items: Items, index: int) -> dict[str, Any]:
        execution = {"id": self.run.execution.execution_id, "resumeUrl": self.run.resume_url}
        workflow = {"id": self.workflow["id"], "name": self.workflow["name"]}
        return {
            "items": items,
            "index": index,
            "nodes": self.given_out,
            "execution": execution,
            "workflow": workflow,
        }
