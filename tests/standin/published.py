"""Workflows published in a real n8n for a test, and eight of different kinds for `discover`."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from tests.waiting import wait_until

TAG = "claude"
FOLDER = Path(__file__).parent / "workflows"
OF_API = ("name", "nodes", "connections", "settings", "pinData")
SECRETS = {
    "httpHeaderAuth": {"name": "Authorization", "value": "a-key-of-the-test"},
    "httpBasicAuth": {"user": "crm", "password": "a-password-of-the-test"},
    "jwtAuth": {"keyType": "passphrase", "secret": "a-secret-of-the-test", "algorithm": "HS256"},
}


def workflows() -> list[dict[str, Any]]:
    """Return the eight workflows, each with the tag unless it is said to be for MCP."""
    read = [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]
    return [
        each if each["settings"].get("availableInMCP") else {**each, "tags": [{"name": TAG}]}
        for each in read
    ]


@asynccontextmanager
async def published_in(url: str, api_key: str, chosen: list[dict[str, Any]]) -> AsyncIterator[None]:
    """Publish workflows in a real n8n, but those with `active: false`; at the end they are gone."""
    headers = {"X-N8N-API-KEY": api_key}
    base = f"{url.rstrip('/')}/api/v1"
    async with httpx2.AsyncClient(
        base_url=base, headers=headers, timeout=30, trust_env=False
    ) as api:
        await _withdraw(api, chosen)  # what a test that was killed has left
        await api.post("/tags", json={"name": TAG})
        tags = (await api.get("/tags")).json()["data"]
        tag_id = next(tag["id"] for tag in tags if tag["name"] == TAG)
        credentials = [each for workflow in chosen for each in await _credentials(api, workflow)]
        try:
            for workflow in chosen:
                await _publish(api, workflow, tag_id)
            yield
        finally:
            await _withdraw(api, chosen)
            for credential in credentials:
                await api.delete(f"/credentials/{credential}")


async def _withdraw(api: httpx2.AsyncClient, chosen: list[dict[str, Any]]) -> None:
    names = {workflow["name"] for workflow in chosen}
    for found in (await api.get("/workflows", params={"limit": "250"})).json()["data"]:
        if found["name"] in names:
            await wait_until(partial(_is_gone, api, found["id"]), f"{found['name']} to be gone")


async def _is_gone(api: httpx2.AsyncClient, workflow_id: str) -> bool:
    """Try to delete a workflow, which n8n lets nobody do while it is not archived."""
    await api.post(f"/workflows/{workflow_id}/deactivate")
    await api.post(f"/workflows/{workflow_id}/archive")
    gone = (await api.delete(f"/workflows/{workflow_id}")).status_code
    return gone in (httpx2.codes.OK, httpx2.codes.NOT_FOUND)


async def _credentials(api: httpx2.AsyncClient, workflow: dict[str, Any]) -> list[str]:
    """Make the credentials that a workflow's nodes name; returns their ids."""
    named = [each for node in workflow["nodes"] for each in node.get("credentials", {}).items()]
    for kind, credential in named:
        given = {"name": credential["name"], "type": kind, "data": SECRETS[kind]}
        credential["id"] = (await api.post("/credentials", json=given)).json()["id"]
    return [credential["id"] for _, credential in named]


async def _publish(api: httpx2.AsyncClient, workflow: dict[str, Any], tag_id: str) -> None:
    body = {name: workflow[name] for name in OF_API if name in workflow}
    made = (await api.post("/workflows", json=body)).json()["id"]
    if "description" in workflow:
        described = {**body, "description": workflow["description"]}
        await api.put(f"/workflows/{made}", json=described)
    if "tags" in workflow:
        await api.put(f"/workflows/{made}/tags", json=[{"id": tag_id}])
    if workflow.get("active", True):
        answer = await api.post(f"/workflows/{made}/activate")
        assert answer.status_code == httpx2.codes.OK, answer.text
    if workflow.get("isArchived"):
        await api.post(f"/workflows/{made}/archive")
