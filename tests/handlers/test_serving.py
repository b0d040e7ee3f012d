"""What a process of handlers answers its worker, tried without the process."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.handlers.channel import BrokenChannelError, HandlerChannel, Head
from bridge.handlers.describing import describe
from bridge.handlers.inlining import inlined
from bridge.handlers.serving import serve_to_the_end
from bridge.handlers.threads import HandlerThreads
from tests.handlers.desks import FOLDER
from tests.handlers.wrong_handlers import WRONG

ASKED: Head = {
    "folder": str(FOLDER),
    "handlers": ["deeds:work", "deeds:greet"],
    "startup": "deeds:startup",
    "shutdown": "deeds:shutdown",
}


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have nothing of what is imported here left in this process."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield
    for name in sys.modules.keys() - before:
        if name.startswith(("deeds", "wrong")):
            del sys.modules[name]


class Worker:
    """The worker's end."""

    def __init__(self, channel: HandlerChannel, serving: asyncio.Task[int]) -> None:
        self._channel = channel
        self._messages = channel.messages()
        self.serving = serving

    def send(self, head: Head, body: bytes | None = None) -> None:
        """Send a message."""
        self._channel.write(head, body)

    def call(self, number: int, deed: str, caller: Head | None = None, **arguments: object) -> None:
        """Have a handler run."""
        head = {"call": number, "handler": "deeds:work", "call_id": "call_1", "attempt": 1}
        head |= {"caller": caller}
        self.send(head, json.dumps({"deed": deed, **arguments}).encode())

    async def heard(self) -> tuple[Head, bytes]:
        """Return the next message."""
        async with asyncio.timeout(20):
            return await anext(self._messages)

    def leave(self) -> None:
        """Close this end."""
        self._channel.close()


@contextlib.asynccontextmanager
async def worker_of(asked: Head = ASKED) -> AsyncIterator[Worker]:
    """Serve a worker here."""
    ours, theirs = socket.socketpair()
    worker = Worker(await HandlerChannel.over(ours), asyncio.create_task(serve_to_the_end(theirs)))
    worker.send(asked)
    yield worker
    worker.leave()
    async with asyncio.timeout(20):
        await worker.serving


async def test_it_answers_calls_until_it_is_told_to_stop(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with worker_of() as worker:
        assert await worker.heard() == ({"ready": True}, b"")
        worker.send({"ping": True})
        assert await worker.heard() == ({"pong": True}, b"")
        worker.call(1, "sleep", value={"a": 1}, seconds=0.2)
        worker.send({"stop": True})
        assert await worker.heard() == ({"end": 1, "bytes": 7}, b'{"a":1}')
        assert await worker.serving == 0
    assert capsys.readouterr().out == "startup\nbegun call_1 sleep\nshutdown\n"


async def test_a_handler_is_told_who_asks_where_the_bridge_says_it() -> None:
    told = {"server": "desk", "name": "~ann", "sub": "ann", "act": {"sub": "eve"}}
    async with worker_of() as worker:
        assert await worker.heard() == ({"ready": True}, b"")
        worker.call(1, "tell_caller", told)
        worker.call(2, "tell_caller")
        said = {
            head["end"]: json.loads(body) for head, body in [await worker.heard() for _ in "12"]
        }
        worker.send({"stop": True})
        assert await worker.serving == 0
    assert said == {
        1: {"server": "desk", "name": "~ann", "subject": "ann", "client": "", "operator": "eve"},
        2: None,
    }


@pytest.mark.parametrize(
    ("deed", "value", "said"),
    [
        ("fail", "no", {"failure": "no"}),
        ("return_object", None, {"failure": "the handler returned what is no JSON: Unable to"}),
        ("leave", "bye", {"raised": "SystemExit", "words": "bye"}),
        ("raise_error", "oh", {"raised": "ValueError", "words": "oh"}),
        ("cancel_itself", None, {"failure": "the handler was cancelled from within"}),
    ],
)
async def test_it_says_how_a_handler_failed(deed: str, value: object, said: dict[str, str]) -> None:
    async with worker_of() as worker:
        await worker.heard()
        worker.call(7, deed, value=value)
        head, _ = await worker.heard()

    assert head["end"] == 7
    assert all(str(head[key]).startswith(words) for key, words in said.items())


async def test_it_says_which_arguments_are_none() -> None:
    async with worker_of() as worker:
        await worker.heard()
        worker.call(1, "sleep", seconds="long")
        head, _ = await worker.heard()

    assert "/seconds: Input should be a valid number" in head["failure"]


async def test_a_question_goes_out_and_its_reply_comes_in() -> None:
    async with worker_of() as worker:
        await worker.heard()
        worker.call(1, "ask", value=[1])
        assert await worker.heard() == (
            {"ask": 1, "of": 1, "hook": "approve", "bytes": 3},
            b"[1]",
        )
        worker.send({"reply": 1}, b'"yes"')
        assert (await worker.heard())[1] == b'{"answer":"yes"}'
        worker.call(2, "ask")
        await worker.heard()
        worker.send({"reply": 2, "failure": "nobody answered"})
        assert await worker.heard() == ({"end": 2, "failure": "nobody answered"}, b"")


async def test_a_cancelled_handler_ends_and_progress_comes_before() -> None:
    async with worker_of() as worker:
        await worker.heard()
        worker.call(1, "report", value="page", seconds=60)
        told = [(await worker.heard())[0]["message"]]
        while told[-1] != "page all":  # a machine that is slow over the thousand tells of more
            told.append((await worker.heard())[0]["message"])
        assert told[0] == "page 0"
        assert len(told) < 10
        worker.send({"cancel": 1})
        assert (await worker.heard())[0]["end"] == 1


async def test_a_handler_that_is_cancelled_before_it_begins_ends_too() -> None:
    async with worker_of() as worker:
        await worker.heard()
        worker.call(1, "sleep", seconds=60)
        worker.send({"cancel": 1})
        assert await worker.heard() == ({"end": 1}, b"")


@pytest.fixture
async def _threads_of_handlers() -> AsyncIterator[None]:
    """Have this loop's work done in threads as in a process of handlers, for one test."""
    loop = asyncio.get_running_loop()
    with HandlerThreads() as threads:
        loop.set_default_executor(threads)
        yield
        loop.set_default_executor(ThreadPoolExecutor())


@pytest.mark.usefixtures("_threads_of_handlers")
async def test_a_cancelled_handler_has_not_ended_before_its_threads_have() -> None:
    async with worker_of() as worker:
        await worker.heard()
        worker.call(1, "insist_in_thread", seconds=1)
        worker.call(2, "sleep", seconds=0.1)
        assert (await worker.heard())[0]["end"] == 2
        worker.send({"cancel": 1})
        worker.call(3, "sleep", seconds=0.1)
        assert (await worker.heard())[0]["end"] == 3
        assert (await worker.heard())[0]["end"] == 1


async def test_it_says_why_it_cannot_serve() -> None:
    async with worker_of({**ASKED, "startup": "deeds:absent"}) as worker:
        head, _ = await worker.heard()
        assert head == {"fault": "names nothing: there is no absent in deeds"}
        assert await worker.serving == 1


async def test_a_line_that_is_no_message_is_refused() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        channel = await HandlerChannel.over(theirs)
        for line in (b"[]\n", b"no\n", b'{"bytes": -1}\n', b'{"bytes": "x"}\n'):
            ours.sendall(line)
            with pytest.raises(BrokenChannelError):
                await anext(channel.messages())
        channel.close()


def test_it_describes_what_it_serves() -> None:
    described = describe(ASKED)

    assert described["faults"] == []
    assert described["handlers"].keys() == {"deeds:work", "deeds:greet"}
    assert list(described["code"]) == [str(FOLDER / "deeds.py")]


def test_it_describes_what_is_wrong_with_handlers(tmp_path: Path) -> None:
    for number, (code, *_) in enumerate(WRONG):
        (tmp_path / f"wrong{number}.py").write_text(code)
    handlers = [f"wrong{number}:f" for number in range(len(WRONG))]
    asked = {"folder": str(tmp_path), "handlers": [*handlers, "absent:f"], "startup": "absent:f"}

    faults = describe({**asked, "shutdown": ""})["faults"]

    assert [fault["rule"] for fault in faults] == [
        *(rule for _, rule, *_ in WRONG),
        *["handler-missing"] * 2,
    ]


def test_a_schema_that_refers_to_itself_stays_as_it_is() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}}}
    schema = {"$ref": "#/$defs/Tree", "$defs": {"Tree": tree}}

    assert inlined(schema) == schema
