"""An n8n that vanishes without a word is not waited for until the call's time is over."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridge.configuration.servers import Annotations, Workflow
from bridge.n8n.client import N8n, WorkflowRequest
from bridge.standin.serving import serving
from bridge.standin.standin import Standin
from tests.waiting import wait_until

ESTABLISHED, KEEPALIVE = "01", "02"


def timers_to(port: int) -> set[str]:
    """Return what the system waits for on the open connections to a port (proc_net_tcp)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        row[5].partition(":")[0]
        for row in rows
        if int(row[2].partition(":")[2], 16) == port and row[3] == ESTABLISHED
    }


@pytest.mark.parametrize("is_idempotent", [False, True])
async def test_while_a_workflow_runs_the_system_asks_whether_n8n_is_there(
    is_idempotent: bool,
) -> None:
    async with Standin(has_control=True) as standin, N8n() as n8n, serving(standin) as url:
        called = Workflow(
            url=f"{url}/webhook/slow-tool", annotations=Annotations(idempotent=is_idempotent)
        )
        asked = WorkflowRequest(called, {"seconds": 600}, "call_abc", "")
        running = asyncio.create_task(n8n.run_workflow(asked, 100))
        await wait_until(standin.seen.of, "n8n has it")
        port = urlsplit(url).port or 0
        await wait_until(lambda: timers_to(port) == {KEEPALIVE}, "the connection is watched")
        standin.stop_runs()
        await running
