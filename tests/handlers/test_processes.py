"""Handlers in their process: what each may do, and what none can do to the others."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator

import pytest

from bridge.handler_processes.pool import HandlerProcesses
from bridge.n8n.outcomes import Answered, MaybeRun, NotRun, Refused
from tests.handlers.desks import ENVIRON, KEY, SERVER, Witness, call, desk, lines
from tests.processes import is_gone
from tests.waiting import wait_until


@pytest.fixture
async def processes() -> AsyncIterator[HandlerProcesses]:
    processes = HandlerProcesses(ENVIRON)
    async with processes.running({"desk": SERVER}):
        yield processes


async def test_a_handler_is_called_with_what_its_types_make_of_the_arguments(
    processes: HandlerProcesses,
) -> None:
    guest = {"name": "Ada"}

    outcome = await call(processes, "greet", server=SERVER, guest=guest, tone="cold", times=2)

    assert outcome == Answered({"text": "So Ada. So Ada. ", "attempt": 1})


async def test_arguments_that_only_its_types_refuse_are_named(processes: HandlerProcesses) -> None:
    outcome = await call(processes, "greet", server=SERVER, guest={"name": 1}, x=2)

    assert isinstance(outcome, Refused)
    assert "/guest/name: Input should be a valid string; /x: Unexpected" in outcome.reason


FAILING: list[tuple[str, object, str]] = [
    ("fail", "the PDF is encrypted", "the PDF is encrypted"),
    ("fail", f"no {KEY}", "no [secret]"),
    ("fail", "", "the handler gave no reason"),
    ("raise_error", "no", "the handler raised ValueError. It says (data from outside, not "),
    ("leave", "bye", "the handler raised SystemExit"),
    ("need_memory", None, "the handler needs more memory than `python.memory` of its server"),
    ("return_object", None, "the handler returned what is no JSON"),
    ("return_much", 17 * 1024 * 1024, "its result is longer than 16777216 bytes"),
    ("nothing", None, "the handler raised KeyError"),
    ("fail", "x" * 2_000_000, "xxx…"),
    ("raise_wordless", None, "the handler raised WordlessError. It says (data from outside, n"),
    ("interrupt", None, "the handler raised KeyboardInterrupt"),
    ("ask", "x" * 16 * 1024 * 1024, "the payload is longer than 16777216 bytes: ask with less"),
]


async def test_handlers_that_fail_say_why_and_others_go_on(processes: HandlerProcesses) -> None:
    for deed, value, said in FAILING:
        outcome = await call(processes, server=SERVER, deed=deed, value=value)
        assert isinstance(outcome, Refused)
        assert said in outcome.sentence
    assert await call(processes, server=SERVER, deed="sleep", value=1) == Answered(1)


async def test_a_long_result_arrives_whole(processes: HandlerProcesses) -> None:
    outcome = await call(processes, server=SERVER, deed="return_much", value=16 * 1024 * 1024 - 2)

    assert isinstance(outcome, Answered)
    assert outcome.value == "x" * (16 * 1024 * 1024 - 2)


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("end_process", "ended by itself, with status 3"),
        ("crash", "crashed (SIGSEGV)"),
        ("loop", "was ended: its event loop stood still for 1 s"),
    ],
)
async def test_a_process_that_breaks_down_takes_with_it_what_ran_there_and_is_started_anew(
    deed: str, said: str
) -> None:
    server, processes = desk(stall_s=1.0), HandlerProcesses(ENVIRON)
    async with processes.running({"desk": server}):
        beside = asyncio.create_task(call(processes, server=server, deed="sleep", seconds=60))
        await call(processes, server=server, deed="sleep")

        outcomes = await asyncio.gather(call(processes, server=server, deed=deed), beside)

        for outcome in outcomes:
            assert isinstance(outcome, MaybeRun)
            assert outcome.reason == f"the process that ran the handler {said}; it may have run"

        async def runs_again() -> bool:
            outcome = await call(processes, server=server, deed="sleep", value=2)
            assert isinstance(outcome, NotRun | Answered)
            return outcome == Answered(2)

        await wait_until(runs_again, "the process is started anew")


async def test_what_a_handler_prints_is_logged_and_nothing_else(
    processes: HandlerProcesses, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge")

    assert await call(processes, server=SERVER, deed="print_text", value=f"a {KEY}") == Answered(
        "a [secret]"
    )
    assert await call(processes, server=SERVER, deed="forge", value="fine") == Answered("fine")

    await wait_until(lambda: "a [secret]" in lines(caplog), "what was printed")
    assert lines(caplog)[:2] == ["startup", "begun call_1 print_text"]
    assert len(lines(caplog)) <= 200


async def test_handlers_see_no_more_of_the_environment_than_the_file_gives_them(
    processes: HandlerProcesses,
) -> None:
    outcome = await call(processes, server=SERVER, deed="tell_environment")

    assert isinstance(outcome, Answered)
    seen = dict(outcome.value)  # type: ignore[arg-type]
    assert (seen["PLAIN"], seen["KEY"], seen["PATH"]) == ("plain", "[secret]", os.environ["PATH"])
    passed_on = {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "PLAIN", "KEY"}
    beyond = {name for name in seen if not name.startswith(("LC_", "SSL_CERT_"))} - passed_on
    assert beyond == set()


async def test_a_handler_that_is_not_waited_for_any_more_is_cancelled(
    processes: HandlerProcesses, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge")
    waiting = asyncio.create_task(call(processes, server=SERVER, deed="sleep", seconds=60))
    await wait_until(lambda: "begun call_1 sleep" in lines(caplog), "the handler runs")

    waiting.cancel()

    await wait_until(lambda: "cancelled call_1" in lines(caplog), "the handler is cancelled")


async def test_a_handler_that_takes_too_long_is_cancelled(
    processes: HandlerProcesses, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge")
    await call(processes, server=SERVER, deed="sleep")

    outcome = await call(processes, server=SERVER, deed="sleep", seconds=60, timeout_s=1)

    assert isinstance(outcome, MaybeRun)
    assert outcome.reason == "the handler did not end in time"
    await wait_until(lambda: "cancelled call_1" in lines(caplog), "the handler is cancelled")


@pytest.mark.parametrize("deed", ["insist", "insist_in_thread"])
async def test_a_handler_that_ignores_its_end_has_its_process_replaced_and_harms_no_other(
    processes: HandlerProcesses,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    deed: str,
) -> None:
    caplog.set_level(logging.INFO, "bridge")
    monkeypatch.setattr("bridge.handler_processes.runs.END_S", 0.3)
    monkeypatch.setattr("bridge.handler_processes.process.END_S", 0.3)
    await call(processes, server=SERVER, deed="sleep")
    beside = asyncio.create_task(
        call(processes, server=SERVER, deed="sleep", value="beside", seconds=3)
    )
    insisting = call(processes, server=SERVER, deed=deed, seconds=60, timeout_s=1)
    assert isinstance(await insisting, MaybeRun)
    pids = {record.pid for record in caplog.records if record.msg == "handler.output"}  # type: ignore[attr-defined]

    await wait_until(lambda: lines(caplog).count("startup") == 2, "another process is started")

    assert await call(processes, server=SERVER, deed="sleep", value="new") == Answered("new")
    assert await beside == Answered("beside")
    await wait_until(lambda: all(map(is_gone, pids)), "the process is ended once nobody waits")


async def test_a_process_that_the_system_kills_is_said_to_be(processes: HandlerProcesses) -> None:
    outcome = await call(processes, server=SERVER, deed="kill_process")

    assert isinstance(outcome, MaybeRun)
    assert "was killed (SIGKILL), as when memory runs out" in outcome.reason


async def test_a_process_that_ends_by_a_signal_without_a_name_is_started_anew(
    processes: HandlerProcesses,
) -> None:
    outcome = await call(processes, server=SERVER, deed="end_by_signal", value=40)

    assert isinstance(outcome, MaybeRun)
    assert "the process that ran the handler crashed (signal 40)" in outcome.reason

    async def runs_again() -> bool:
        return await call(processes, server=SERVER, deed="sleep", value=2) == Answered(2)

    await wait_until(runs_again, "the process is started anew")


async def test_a_fork_that_a_handler_lets_go_on_answers_nobody(processes: HandlerProcesses) -> None:
    forked = await call(processes, server=SERVER, deed="fork")

    assert isinstance(forked, Answered)
    assert forked == await call(processes, server=SERVER, deed="tell_pid")


async def test_a_fork_that_waits_takes_no_message_of_its_parent(
    processes: HandlerProcesses,
) -> None:
    forked = call(processes, server=SERVER, deed="fork_and_wait", value="forked", seconds=2)
    beside = (call(processes, server=SERVER, deed="block", value=n, seconds=0.1) for n in range(9))

    answered = await asyncio.gather(forked, *beside)

    assert answered == [Answered(value) for value in ("forked", *range(9))]


async def test_a_process_whose_guard_is_stopped_is_ended_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.handler_processes.process.SWEEP_S", 0.3)
    server, processes = desk(stall_s=1.0), HandlerProcesses(ENVIRON)
    async with processes.running({"desk": server}):
        outcome = await call(processes, server=server, deed="stop_guard")

    assert isinstance(outcome, MaybeRun)
    assert "its event loop stood still for 1 s" in outcome.reason


async def test_a_process_whose_guard_is_stopped_does_not_outlive_its_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge")
    monkeypatch.setattr("bridge.handler_processes.pool.CLOSE_S", 0.3)
    monkeypatch.setattr("bridge.handler_processes.process.SWEEP_S", 1.0)
    processes = HandlerProcesses(ENVIRON)
    async with processes.running({"desk": SERVER}):
        await call(processes, server=SERVER, deed="sleep")
        await call(processes, server=SERVER, deed="stop_guard", timeout_s=1)
    (guard,) = {record.pid for record in caplog.records if record.msg == "handler.output"}  # type: ignore[attr-defined]

    await wait_until(lambda: is_gone(guard), "it has ended")


async def test_progress_that_is_forged_without_end_is_passed_on_now_and_then(
    processes: HandlerProcesses,
) -> None:
    witness, forged = Witness(), {"progress": 1, "share": 0.5, "message": "on"}

    flood = call(processes, server=SERVER, witness=witness, deed="send_raw", value=[forged, 10_000])

    assert await flood == Answered(10_000)
    assert 1 <= len(witness.reports) < 50


async def test_questions_of_one_call_are_not_put_without_end(processes: HandlerProcesses) -> None:
    witness, forged = Witness("yes", waits=True), {"ask": 0, "of": 1, "hook": "approve"}

    flood = call(
        processes, server=SERVER, witness=witness, deed="send_raw", value=[forged, 1000], seconds=2
    )

    assert await flood == Answered(1000)
    assert 20 <= len(witness.asked) <= 100


async def test_what_is_printed_without_measure_is_left_out_and_holds_nobody_up(
    processes: HandlerProcesses, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge")

    much = 32 * 1024 * 1024
    outcome = await call(processes, server=SERVER, deed="print_much", value=much, timeout_s=60)

    assert outcome == Answered(much)
    assert len(lines(caplog)) <= 200


async def test_progress_is_passed_on_and_the_newest_counts(processes: HandlerProcesses) -> None:
    witness = Witness()

    await call(processes, server=SERVER, witness=witness, deed="report", value="page")

    assert witness.reports[0] == (0, "page 0")
    assert witness.reports[-1] == (1, "page all")
    assert len(witness.reports) < 10


async def test_the_reply_to_what_a_handler_asks_comes_back_to_it(
    processes: HandlerProcesses,
) -> None:
    witness = Witness("yes")

    outcome = await call(processes, server=SERVER, witness=witness, deed="ask", value={"q": 1})

    assert outcome == Answered({"answer": "yes"})
    assert witness.asked == [("approve", {"q": 1})]


async def test_what_a_handler_asks_has_none_of_its_secrets(processes: HandlerProcesses) -> None:
    witness = Witness("yes")

    await call(processes, server=SERVER, witness=witness, deed="ask", value={"q": f"Is it {KEY}?"})

    assert witness.asked == [("approve", {"q": "Is it [secret]?"})]


async def test_a_handler_whose_call_has_ended_asks_nobody(
    processes: HandlerProcesses, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge")
    witness = Witness("yes")

    await call(processes, server=SERVER, witness=witness, deed="ask_too_late", value=1)

    said = "the call has ended, so nobody is asked"
    await wait_until(lambda: said in lines(caplog), "it is told so")
    assert witness.asked == []
