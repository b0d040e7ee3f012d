"""Eight workflows of different kinds, published in the stand-in or in a real n8n."""

import json
from pathlib import Path
from typing import Any

import httpx2

TAG = "claude"
FOLDER = Path(__file__).parent / "workflows"
OF_API = ("name", "nodes", "connections", "settings", "pinData")
SECRETS = {
    "httpHeaderAuth": {"name": "Authorization", "value": "a-key-of-the-test"},
    "httpBasicAuth": {"user": "crm", "password": "a-password-of-the-test"},
}


def workflows() -> list[dict[str, Any]]:
    """Return the workflows, each with the tag unless it is said to be for MCP."""
    read = [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]
    return [
        each if each["settings"].get("availableInMCP") else {**each, "tags": [{"name": TAG}]}
        for each in read
    ]


async def publish(url: str, api_key: str) -> None:
    """Publish them in a real n8n, in place of those that a test before this one published."""
    headers = {"X-N8N-API-KEY": api_key}
    base = f"{url.rstrip('/')}/api/v1"
    async with httpx2.AsyncClient(
        base_url=base, headers=headers, timeout=30, trust_env=False
    ) as api:
        await _withdraw(api)
        await api.post("/tags", json={"name": TAG})
        tags = (await api.get("/tags")).json()["data"]
        tag_id = next(tag["id"] for tag in tags if tag["name"] == TAG)
        for workflow in workflows():
            await _publish(api, workflow, tag_id)


async def _withdraw(api: httpx2.AsyncClient) -> None:
    names = {workflow["name"] for workflow in workflows()}
    for found in (await api.get("/workflows")).json()["data"]:
        if found["name"] in names:
            await api.post(f"/workflows/{found['id']}/deactivate")
            gone = await api.delete(f"/workflows/{found['id']}")
            if gone.status_code == httpx2.codes.CONFLICT:
                await api.post(f"/workflows/{found['id']}/archive")
                await api.delete(f"/workflows/{found['id']}")


async def _publish(api: httpx2.AsyncClient, workflow: dict[str, Any], tag_id: str) -> None:
    for node in workflow["nodes"]:
        for kind, credential in node.get("credentials", {}).items():
            given = {"name": credential["name"], "type": kind, "data": SECRETS[kind]}
            credential["id"] = (await api.post("/credentials", json=given)).json()["id"]
    body = {name: workflow[name] for name in OF_API if name in workflow}
    made = (await api.post("/workflows", json=body)).json()["id"]
    if "description" in workflow:
        described = {**body, "description": workflow["description"]}
        await api.put(f"/workflows/{made}", json=described)
    if "tags" in workflow:
        await api.put(f"/workflows/{made}/tags", json=[{"id": tag_id}])
    answer = await api.post(f"/workflows/{made}/activate")
    assert answer.status_code == httpx2.codes.OK, answer.text
