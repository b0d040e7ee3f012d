"""Workflows of the stand-in that go on when a test lets them, however long its processes take."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bridge.models import Json
from bridge.standin.runs import Run
from bridge.standin.workflows import FLOWS, Flow, execution_id_at_once, started_at_once


@contextlib.asynccontextmanager
async def gated() -> AsyncIterator[asyncio.Event]:
    """Add `held-tool`, `held-execution` and `held-callback`, which wait until the event is set.

    Those that call back wait for ever where they are told to.
    """
    gate, never = asyncio.Event(), asyncio.Event()

    async def hold(run: Run) -> Json:
        await gate.wait()
        return run.arguments("label")

    async def hold_and_call_back(run: Run) -> Json:
        await (never if run.argument("forever") else gate).wait()
        address = run.item.headers["bridge-callback-url"]
        return await run.send("Result", address, {"result": run.arguments("label")})

    flows = {
        "held-tool": Flow("upgradeHeld00001", hold),
        "held-execution": Flow("upgradeHeld00002", hold, execution_id_at_once),
        "held-callback": Flow("upgradeHeld00003", hold_and_call_back, started_at_once),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, flow in flows.items():
            patch.setitem(FLOWS, name, flow)
        yield gate
