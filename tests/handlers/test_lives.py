"""The life of a process of handlers: started, ready, replaced, and ended with all that it began."""

import asyncio
import logging
from pathlib import Path

import pytest

from bridge.configuration.servers import Server
from bridge.handler_processes.pool import CLOSE_S, HandlerProcesses
from bridge.n8n.outcomes import Answered, NotRun
from tests.handlers.desks import ENVIRON, SERVER, call, desk, lines
from tests.processes import is_gone
from tests.waiting import wait_until


@pytest.mark.parametrize("deed", ["have_children", "have_daemon"])
async def test_what_handlers_have_started_ends_with_their_process(
    tmp_path: Path, deed: str
) -> None:
    processes, told = HandlerProcesses(ENVIRON), tmp_path / "pids"
    async with processes.running({"desk": SERVER}):
        await call(processes, server=SERVER, deed=deed, value=str(told))
        child, handlers = map(int, told.read_text().split())
        assert not is_gone(child)

    await wait_until(lambda: is_gone(child) and is_gone(handlers), "all of it has ended")


async def test_startup_and_shutdown_are_called_once_a_process(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "bridge")
    processes = HandlerProcesses(ENVIRON)
    async with processes.running({"desk": SERVER}):
        await asyncio.gather(*(call(processes, server=SERVER, deed="sleep") for _ in range(20)))

    assert lines(caplog)[0] == "startup"
    assert lines(caplog)[-1] == "shutdown"
    assert [line for line in lines(caplog) if "s" in line[:1]] == ["startup", "shutdown"]


async def test_a_process_that_is_replaced_before_it_has_started_is_shut_down_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "bridge")
    processes = HandlerProcesses(ENVIRON)
    async with processes.running({"desk": SERVER}):
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert lines(caplog) == ["startup", "shutdown"]


async def test_a_call_of_a_process_that_does_not_start_surely_has_not_run(tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text(
        "name: desk\npython: {startup: 'mod:startup', environment: {KEY: env:DESK_KEY}}\n"
        "workflows: {work: {kind: python, handler: 'mod:work', description: Works.}}\n"
    )
    code = (
        "import os\nasync def work(): ...\n"
        "async def startup() -> None: raise OSError('no disk ' + os.environ['KEY'])\n"
    )
    (tmp_path / "mod.py").write_text(code)
    server: Server = desk(tmp_path)
    processes = HandlerProcesses(ENVIRON)
    async with processes.running({"desk": server}):
        outcome = await call(processes, server=server)

    assert isinstance(outcome, NotRun)
    assert "startup failed: OSError: no disk [secret]" in outcome.reason


async def test_a_process_that_is_never_ready_is_ended_and_says_where_it_stood(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "bridge")
    monkeypatch.setattr("bridge.handler_processes.process.START_S", 3.0)
    (tmp_path / "desk.yaml").write_text(
        "name: desk\npython: {startup: 'mod:startup'}\n"
        "workflows: {work: {kind: python, handler: 'mod:work', description: Works.}}\n"
    )
    (tmp_path / "mod.py").write_text(
        "import threading\nasync def work(): ...\n"
        "async def startup():\n    threading.Event().wait()\n"
    )
    server, processes = desk(tmp_path), HandlerProcesses(ENVIRON)
    async with processes.running({"desk": server}):
        outcome = await call(processes, server=server)

    assert outcome == NotRun("the handlers' process is started anew: was not ready within 3 s")
    assert any(line.endswith('mod.py", line 4 in startup') for line in lines(caplog))


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "SystemExit(3)", "CancelledError"])
async def test_a_startup_that_raises_anything_is_said_to_have_failed(
    tmp_path: Path, raised: str
) -> None:
    (tmp_path / "desk.yaml").write_text(
        "name: desk\npython: {startup: 'mod:startup'}\n"
        "workflows: {work: {kind: python, handler: 'mod:work', description: Works.}}\n"
    )
    (tmp_path / "mod.py").write_text(
        "from asyncio import CancelledError\nasync def work(): ...\n"
        f"async def startup():\n    raise {raised}\n"
    )
    server, processes = desk(tmp_path), HandlerProcesses(ENVIRON)
    async with processes.running({"desk": server}):
        outcome = await call(processes, server=server)

    assert isinstance(outcome, NotRun)
    assert f"startup failed: {raised.partition('(')[0]}" in outcome.reason


async def test_a_shutdown_that_raises_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge")
    (tmp_path / "desk.yaml").write_text(
        "name: desk\npython: {shutdown: 'mod:shutdown'}\n"
        "workflows: {work: {kind: python, handler: 'mod:work', description: Works.}}\n"
    )
    (tmp_path / "mod.py").write_text(
        "import threading\nasync def work() -> int:\n"
        "    threading.Thread(target=threading.Event().wait).start()\n    return 1\n"
        "async def shutdown():\n    raise OSError('no disk')\n"
    )
    server, processes = desk(tmp_path), HandlerProcesses(ENVIRON)
    async with processes.running({"desk": server}):
        assert await call(processes, server=server) == Answered(1)
        began_at = asyncio.get_running_loop().time()

    assert lines(caplog)[-1] == "OSError: no disk"
    assert asyncio.get_running_loop().time() - began_at < CLOSE_S  # it was not killed


async def test_shutdown_may_take_longer_than_a_loop_may_stand_still(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge")
    (tmp_path / "desk.yaml").write_text(
        "name: desk\npython: {shutdown: 'mod:shutdown', stall: 0.5s}\n"
        "workflows: {work: {kind: python, handler: 'mod:work', description: Works.}}\n"
    )
    (tmp_path / "mod.py").write_text(
        "import asyncio\nasync def work() -> int: return 1\n"
        "async def shutdown():\n    await asyncio.sleep(1.5)\n    print('shut down')\n"
    )
    server, processes = desk(tmp_path), HandlerProcesses(ENVIRON)
    async with processes.running({"desk": server}):
        assert await call(processes, server=server) == Answered(1)

    assert lines(caplog) == ["shut down"]
