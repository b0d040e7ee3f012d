"""The workflow that takes alerts, run in a real n8n by the bridge itself."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bridge_processes import running_bridge
from tests.n8n.real import TOOL_TOKEN, URL, RealN8n
from tests.waiting import wait_until

pytestmark = pytest.mark.real_n8n

FILE: dict[str, Any] = {
    "receivers": {
        "n8n": {
            "url": f"{URL}/webhook/bridge/alerts",
            "auth": {"header": {"name": "X-Bridge-Key", "value": "env:TEMPLATES_TOOL_TOKEN"}},
        }
    },
    "alerts": {
        "waits": {
            "when": {"oldest_queued_event": {"older_than": "500ms", "on": "proof/question"}},
            "to": ["n8n"],
        }
    },
    "heartbeat": {"every": "1s", "to": ["n8n"]},
}


async def test_people_are_told_of_an_alert_and_of_its_end(n8n: RealN8n, tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(FILE))
    settings: dict[str, Any] = {
        "BRIDGE_ALERTS": str(tmp_path / "alerts.yaml"),
        "TEMPLATES_TOOL_TOKEN": TOOL_TOKEN,
    }
    async with running_bridge(tmp_path, **settings) as bridge:
        workflow = await n8n.install("alerts.json", bridge)

        async def told() -> list[str]:
            return [each["title"] for each in await handed_on(n8n, workflow)]

        event_id = (await bridge.send("a question")).json()["event_id"]

        async def is_told() -> bool:
            return len(await told()) == 1

        await wait_until(is_told, "the alert in n8n", 60)
        answer = await bridge.http.post(f"{bridge.webs[0].url}/events/{event_id}/expire")
        answer.raise_for_status()

        async def is_told_again() -> bool:
            return len(await told()) == 2

        await wait_until(is_told_again, "the end of the alert in n8n", 60)
        first, second = await told()
        assert first.startswith("[warning] waits: an event has waited on proof/question")
        assert second.startswith("[warning] waits: over: an event has waited")

        async def has_beaten() -> bool:
            found = await executions(n8n, workflow)
            beats = [each for each in found if body_of(each)["type"] == "heartbeat"]
            return len(beats) >= 3

        await wait_until(has_beaten, "heartbeats in n8n", 60)


async def executions(n8n: RealN8n, workflow: str) -> list[dict[str, Any]]:
    """Return what the nodes of each finished execution gave, oldest first."""
    path = f"/executions?workflowId={workflow}&includeData=true&limit=100&status=success"
    found = (await n8n.api("GET", path))["data"]
    runs = [each["data"]["resultData"]["runData"] for each in reversed(found)]
    return [run for run in runs if "Webhook" in run]


def body_of(run: dict[str, Any]) -> dict[str, Any]:
    """Return what the webhook was sent."""
    body: dict[str, Any] = output_of(run, "Webhook")[0]["body"]
    return body


def output_of(run: dict[str, Any], node: str) -> list[dict[str, Any]]:
    """Return the items that a node gave."""
    return [item["json"] for item in run[node][0]["data"]["main"][0]] if node in run else []


async def handed_on(n8n: RealN8n, workflow: str) -> list[dict[str, Any]]:
    """Return what reached the place where people are told."""
    return [
        item for run in await executions(n8n, workflow) for item in output_of(run, "Tell people")
    ]
