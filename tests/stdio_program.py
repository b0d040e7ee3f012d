"""`n8n-bridge stdio` as a client sees it that starts it: frames by hand over two pipes.

`stdio_here` serves the client in this process, by the same pipes, for whatever the second that a
process takes to start has no part in.
"""

import array
import asyncio
import contextlib
import fcntl
import itertools
import json
import os
import termios
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
)

from bridge.cli.stdio import ProcessSignals, serve_client
from tests.bridge_processes import SERVER
from tests.forked import ROOT, Process, end_at_last, start_python

Message = dict[str, Any]

FRAME_MAX_BYTES = 1 << 26
PATIENCE_S = 50.0
LATEST_HANDSHAKE = "2025-11-25"
META = {
    PROTOCOL_VERSION_META_KEY: "2026-07-28",
    CLIENT_INFO_META_KEY: {"name": "proof", "version": "1"},
    CLIENT_CAPABILITIES_META_KEY: {},
}
"""The envelope of the 2026 wire."""


class Program:
    """The client's ends of the pipes; `wait` gives the exit status of what is at the others."""

    def __init__(
        self,
        source: asyncio.WriteTransport,
        sink: "Sink",
        wait: Callable[[], Awaitable[int]],
        envelope: Mapping[str, Any] | None,
    ) -> None:
        self.heard: list[Message] = []
        self.torn = b""
        self._source = source
        self._reader, self._transport = sink
        self._wait = wait
        self._envelope = envelope
        self._ids = itertools.count(1)
        self._answers: defaultdict[object, list[Message]] = defaultdict(list)

    def say(self, line: Message | bytes) -> None:
        """Write a line."""
        content = line if isinstance(line, bytes) else json.dumps(line).encode()
        with contextlib.suppress(OSError):
            self._source.write(content + b"\n")

    def request(self, method: str, **params: Any) -> int:
        """Write a request; returns its id."""
        request_id = next(self._ids)
        if self._envelope is not None:
            params["_meta"] = {**self._envelope, **params.get("_meta", {})}
        self.say({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return request_id

    def call(self, tool: str, **arguments: Any) -> int:
        """Write a call of a tool; returns its id."""
        return self.request("tools/call", name=tool, arguments=arguments)

    async def hear(self) -> Message | None:
        """Read the next frame; None at the end of the stream."""
        line = await asyncio.wait_for(self._reader.readline(), PATIENCE_S)
        if not line.endswith(b"\n"):
            self.torn = line
            return None
        frame: Message = json.loads(line)
        assert frame["jsonrpc"] == "2.0"
        self.heard.append(frame)
        return frame

    async def answer(self, request_id: object) -> Message:
        """Read on until the answer to a request is there."""
        while not self._answers[request_id]:
            frame = await self.hear()
            assert frame is not None, "the program has ended"
            if "method" not in frame:
                self._answers[frame["id"]].append(frame)
        return self._answers[request_id].pop()

    async def ask(self, method: str, **params: Any) -> Any:
        """Make a request and give its result."""
        reply = await self.answer(self.request(method, **params))
        assert "result" in reply, reply
        return reply["result"]

    async def use(self, tool: str, **arguments: Any) -> Any:
        """Call a tool and give its structured result."""
        result = await self.ask("tools/call", name=tool, arguments=arguments)
        assert not result.get("isError"), result
        return result["structuredContent"]

    async def told(self, method: str) -> Message:
        """Read on until a notification is there; returns its params."""
        while (frame := await self.hear()) is not None:
            if frame.get("method") == method:
                params: Message = frame["params"]
                return params
        raise AssertionError(f"the program has ended without {method}")

    async def shake_hands(self, version: str = LATEST_HANDSHAKE) -> Message:
        """Make the handshake; returns what the server says of itself."""
        client = {"name": "proof", "version": "1"}
        terms = {"protocolVersion": version, "capabilities": {}, "clientInfo": client}
        result: Message = await self.ask("initialize", **terms)
        self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return result

    async def rest(self) -> None:
        """Read to the end of the stream."""
        while await self.hear() is not None:
            pass

    def stop_reading(self) -> None:
        """Leave in the pipe what is written from now on."""
        self._transport.pause_reading()

    def read_on(self) -> None:
        """Read again."""
        self._transport.resume_reading()

    def unread_bytes(self) -> int:
        """Report how much waits in the pipe."""
        count = array.array("i", [0])
        fcntl.ioctl(self._transport.get_extra_info("pipe").fileno(), termios.FIONREAD, count)
        return count[0]

    def close_input(self) -> None:
        """Close the pipe that the program reads."""
        self._source.close()

    def close_output(self) -> None:
        """Close the pipe that the program writes to, with all that is in it."""
        self._transport.close()

    def vanish(self) -> None:
        """Be gone at once, as a client that was killed."""
        self.close_output()
        self.close_input()

    async def ended(self) -> int:
        """Wait for the program's end; returns its exit status."""
        return await asyncio.wait_for(self._wait(), PATIENCE_S)


class StartedProgram(Program):
    """The same, of a process."""

    def __init__(
        self,
        process: Process,
        source: asyncio.WriteTransport,
        sink: "Sink",
        envelope: Mapping[str, Any] | None,
    ) -> None:
        super().__init__(source, sink, process.wait, envelope)
        self.process = process


Sink = tuple[asyncio.StreamReader, asyncio.ReadTransport]
"""The end of a pipe that is read."""


async def read_from(descriptor: int) -> Sink:
    """Read from the end of a pipe."""
    reader = asyncio.StreamReader(limit=FRAME_MAX_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    return reader, transport


async def write_to(descriptor: int) -> asyncio.WriteTransport:
    """Write to the end of a pipe."""
    transport, _ = await asyncio.get_running_loop().connect_write_pipe(
        asyncio.Protocol, os.fdopen(descriptor, "wb")
    )
    return transport


@contextlib.asynccontextmanager
async def stdio_here(
    environ: Mapping[str, str],
    *options: str,
    envelope: Mapping[str, Any] | None = None,
    server: str = SERVER,
) -> AsyncIterator[Program]:
    """Serve as the program does, in this process; be gone in the end."""
    source, to_bridge = os.pipe()
    from_bridge, sink = os.pipe()
    stop = asyncio.Event()
    is_channel = "--channel" in options
    serving = asyncio.create_task(
        serve_client(environ, server, (source, sink), ProcessSignals(stop), is_channel=is_channel)
    )
    serving.add_done_callback(lambda _: os.close(sink))
    writing = await write_to(to_bridge)

    async def wait() -> int:
        await asyncio.wait((serving,))
        return 0 if serving.exception() is None else 1

    program = Program(writing, await read_from(from_bridge), wait, envelope)
    try:
        yield program
    finally:
        program.vanish()
        await program.ended()
        os.close(source)


@contextlib.asynccontextmanager
async def stdio_program(
    environ: Mapping[str, str],
    *options: str,
    envelope: Mapping[str, Any] | None = None,
    log: Path | None = None,
    server: str = SERVER,
) -> AsyncIterator[StartedProgram]:
    """Start the program, its log in a file; kill it in the end.

    With an `envelope` its requests are of the 2026 wire, else of those with a handshake.
    """
    source, to_bridge = os.pipe()
    from_bridge, sink = os.pipe()
    with (
        os.fdopen(source, "rb"),
        os.fdopen(sink, "wb"),
        (log or Path(os.devnull)).open("ab") as errors,
    ):
        files = (source, sink, errors.fileno())
        process = await start_python(
            "bridge", "stdio", server, *options, folder=ROOT, environ=environ, files=files
        )
    program = StartedProgram(
        process, await write_to(to_bridge), await read_from(from_bridge), envelope
    )
    try:
        yield program
    finally:
        program.vanish()
        if process.returncode is None:
            end_at_last(process)
        await process.wait()
