"""What `new` writes, on a real n8n: from nothing to a first call, and every kind as it is used."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from mcp.client import Client

from bridge.configuration.settings import read_dotenv
from bridge.local.ports import free_port
from bridge.testing.clients import connected
from tests.claude import use
from tests.n8n.real import API_KEY, URL, WRITTEN_ADDRESS, RealN8n
from tests.processes import AS_STARTED, run, running
from tests.wheels import welcomed

FIRST_CALL_S = 60.0

pytestmark = [pytest.mark.real_n8n, pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Written:
    """A project that `new` has written, and where its bridge will be."""

    folder: Path
    port: int

    @property
    def environ(self) -> dict[str, str]:
        """Return what stands in its `.env`."""
        return read_dotenv(self.folder / ".env")

    async def import_into(self, n8n: RealN8n) -> None:
        """Do in n8n what its README says: import, choose the credentials, publish."""
        tokens = self.environ
        headers = {
            "DESK_N8N_KEY": {"name": "X-Bridge-Key", "value": tokens.get("DESK_N8N_KEY", "")},
            "DESK_HOOK_TOKEN": {
                "name": "Authorization",
                "value": f"Bearer {tokens.get('DESK_HOOK_TOKEN')}",
            },
        }
        n8n.known = {name: ("httpHeaderAuth", header) for name, header in headers.items()}
        for file in self.folder.glob("config/n8n/*.json"):
            text = file.read_text().replace(WRITTEN_ADDRESS, f"http://127.0.0.1:{self.port}")
            await n8n.publish(json.loads(text))

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator[Client]:
        """Run it beside the real n8n, and connect Claude."""
        environ = {"BRIDGE_PORT": str(self.port), "BRIDGE_N8N_URL": URL}
        environ |= {"BRIDGE_N8N_API_KEY": API_KEY}
        async with running("up", environ=environ, folder=self.folder, program=AS_STARTED) as ran:
            await welcomed(ran)
            address = f"http://127.0.0.1:{self.port}/mcp/desk"
            async with connected(address, self.environ["DESK_CLAUDE_TOKEN"]) as client:
                yield client


async def written(kind: str, folder: Path) -> Written:
    """Have a project of a kind written."""
    status, said = await run(
        "new", "desk", "--kind", kind, environ={}, folder=folder, program=AS_STARTED
    )
    assert status == 0, said
    return Written(folder / "desk", free_port())


async def test_from_nothing_to_the_first_call(
    n8n: RealN8n, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    started = time.monotonic()
    project = await written("tool", tmp_path)
    await project.import_into(n8n)
    async with project.up() as client:
        answer = await use(client, "desk", text="hello")
        took_s = time.monotonic() - started
    record_property("new to the first call, s", round(took_s, 1))
    assert answer == {"text": "HELLO"}
    assert took_s <= FIRST_CALL_S


async def test_an_inbox_takes_what_n8n_sends(n8n: RealN8n, tmp_path: Path) -> None:
    project = await written("inbox", tmp_path)
    await project.import_into(n8n)
    async with project.up() as client:
        answer = await n8n.post("desk", {"text": "hello"})
        assert answer.json()["status"] == "queued"
        event = await use(client, "take_event", wait_seconds=10)
        assert (event["event_id"], event["payload"]) == (
            answer.json()["event_id"],
            {"text": "hello"},
        )


async def test_n8n_goes_on_with_the_answer_to_an_approval(n8n: RealN8n, tmp_path: Path) -> None:
    project = await written("approval", tmp_path)
    await project.import_into(n8n)
    async with project.up() as client:
        asked = asyncio.create_task(n8n.post("desk", {"request": "delete it"}))
        event = await use(client, "take_event", wait_seconds=30)
        assert event["payload"] == {"request": "delete it"}
        reply = {"approved": True, "reason": "it is old"}
        await use(
            client, "reply_to_event", event_id=event["event_id"], lease=event["lease"], reply=reply
        )
        assert (await asked).json() == reply


async def test_a_document_comes_and_a_long_call_has_its_result(
    n8n: RealN8n, tmp_path: Path
) -> None:
    project = await written("document", tmp_path)
    await project.import_into(n8n)
    async with project.up() as client:
        answer = await n8n.post("desk-document", {"title": "A", "text": "b" * 100_000})
        assert answer.json()["status"] == "queued"
        event = await use(client, "take_event", wait_seconds=10)
        assert event["partial"] is True
        result = await use(client, "desk", document_url="https://example.com/a.pdf")
        assert result["pages"] == 2
