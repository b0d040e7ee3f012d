"""The workflow that takes alerts: what its code remembers, and when it warns of a silent bridge."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.bridge_processes import ROOT
from tests.gallery.javascript import JavaScript, javascript

NODES = {
    node["name"]: node["parameters"]
    for node in json.loads((ROOT / "config/n8n/alerts.json").read_text())["nodes"]
}
MINUTE_MS = 60_000
HEARTBEAT = {"type": "heartbeat", "bridge": "http://bridge"}
FIRING = {"type": "alert.firing", "rule": "waits", "sentence": "it waits", "severity": "warning"}


class AlertsWorkflow:
    """Runs its nodes, at moments of a clock of its own; n8n keeps what they remember."""

    def __init__(self, node: JavaScript) -> None:
        self._node = node
        self.now_ms = 10 * MINUTE_MS

    async def receive(self, id_: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        return await self._run("Remember", {"headers": {"webhook-id": id_}, "body": body})

    async def minute_passes(self) -> list[dict[str, Any]]:
        self.now_ms += MINUTE_MS
        return await self._run("Is it silent?", {})

    async def written(self, alert: dict[str, Any]) -> dict[str, Any]:
        filled = await self._node.filled(NODES["Write"]["jsonOutput"], context(alert))
        found: dict[str, Any] = json.loads(filled)
        return found

    async def _run(self, name: str, item: dict[str, Any]) -> list[dict[str, Any]]:
        given = (
            "const $getWorkflowStaticData = () => (globalThis.kept ??= {});\n"
            f"Date.now = () => {self.now_ms};\n"
        )
        items = await self._node.run_code(given + NODES[name]["jsCode"], context(item))
        return [each["json"] for each in items]


def context(item: dict[str, Any]) -> dict[str, Any]:
    return {"items": [{"json": item}], "index": 0, "nodes": {}, "execution": {}, "workflow": {}}


@pytest.fixture
async def workflow() -> AsyncIterator[AlertsWorkflow]:
    async with javascript() as node:
        yield AlertsWorkflow(node)


async def test_an_alert_is_handed_on_once_and_heartbeats_are_not(workflow: AlertsWorkflow) -> None:
    assert await workflow.receive("h1", HEARTBEAT) == []
    assert await workflow.receive("a1", FIRING) == [FIRING]
    assert await workflow.receive("a1", FIRING) == []
    assert await workflow.receive("a2", FIRING) == [FIRING]
    written = await workflow.written(FIRING)
    assert (written["title"], written["text"]) == ("[warning] waits: it waits", "it waits")


async def test_a_bridge_that_is_silent_for_three_minutes_is_told_once_and_so_is_its_return(
    workflow: AlertsWorkflow,
) -> None:
    await workflow.receive("h1", HEARTBEAT)
    assert [await workflow.minute_passes() for _ in range(2)] == [[], []]
    (warning,) = await workflow.minute_passes()
    assert warning["sentence"] == "the bridge has not been heard of for 3 minutes"
    assert await workflow.minute_passes() == []
    (back,) = await workflow.receive("h2", HEARTBEAT)
    assert (back["type"], back["bridge"]) == ("alert.resolved", "http://bridge")
    assert await workflow.minute_passes() == []


async def test_a_bridge_that_was_never_heard_of_is_told_too(workflow: AlertsWorkflow) -> None:
    silent = [await workflow.minute_passes() for _ in range(4)]
    assert [bool(each) for each in silent] == [False, False, False, True]
