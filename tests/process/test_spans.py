"""Spans of real processes, sent to a receiver of OTLP on loopback: one trace each way."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from typing_extensions import override

from tests.bridge_processes import HOOK_PATH, HOOK_TOKEN, SERVER, Bridge, running_bridge
from tests.waiting import wait_until

CALLED, ASKED = "0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736"
FOREIGN = "b7ad6b7169203331"
EVENT_SPANS = ("event question", "queue question", "lease question", "reply question")
SECRET = "a payload that no span may hold"


@dataclass
class Receiver:
    """Takes spans as a collector does."""

    url: str
    spans: list[tuple[str, Span]] = field(default_factory=list)
    """Each with the name of the service that sent it."""

    def named(self, trace: str, name: str) -> Span | None:
        """Return a span of a trace by its name, once it has come."""
        found = (span for _, span in self.spans if span.name == name)
        return next((span for span in found if span.trace_id.hex() == trace), None)

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            said = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(said["service.name"], span) for span in scope.spans]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        @override
        def log_message(self, *_: object) -> None:
            """Leave stderr to the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    taken = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield taken
    server.shutdown()
    server.server_close()
    thread.join()


async def call_a_tool(bridge: Bridge) -> str:
    """Call a tool within a trace; return the `traceparent` that n8n got."""
    arguments = {"label": SECRET, "seconds": 0}
    request = bridge.request("tools/call", name="inline", arguments=arguments)
    message = json.loads(request.content)
    message["params"]["_meta"]["traceparent"] = f"00-{CALLED}-{FOREIGN}-01"
    headers = {name: value for name, value in request.headers.items() if name != "content-length"}
    answer = await bridge.http.send(
        httpx2.Request("POST", request.url, json=message, headers=headers)
    )
    assert answer.status_code == 200
    await wait_until(lambda: bridge.runs(SECRET), "n8n has been asked", 20)
    return str(bridge.runs(SECRET)[0].headers["traceparent"])


async def ask_claude(bridge: Bridge) -> None:
    """Send an event within a trace, as n8n does, and answer it as Claude does."""
    parked = await bridge.park("")
    headers = {
        "authorization": f"Bearer {HOOK_TOKEN}",
        "traceparent": f"00-{ASKED}-{FOREIGN}-01",
        "bridge-reply-url": parked["replyUrl"],
    }
    url = bridge.webs[0].url + HOOK_PATH
    sent = await bridge.http.post(url, json={"text": SECRET}, headers=headers)
    assert sent.status_code == 202
    async with bridge.claude() as claude:
        taken = (await claude.call_tool("take_event", {})).structured_content or {}
        mine = {name: taken[name] for name in ("event_id", "lease")}
        await claude.call_tool("reply_to_event", {**mine, "reply": SECRET})


@pytest.mark.timeout(120)
async def test_a_call_is_one_trace_to_n8n_and_an_event_is_one_back(
    tmp_path: Path, receiver: Receiver
) -> None:
    wanted = [
        *((CALLED, name) for name in ("tools/call inline", "call inline", "attempt inline")),
        *((ASKED, name) for name in EVENT_SPANS),
    ]
    async with running_bridge(
        tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_BSP_SCHEDULE_DELAY="100"
    ) as bridge:
        got, _ = await asyncio.gather(call_a_tool(bridge), ask_claude(bridge))
        await wait_until(lambda: all(receiver.named(*each) for each in wanted), "spans came", 20)

    asked, call, attempt, event, queue, lease, reply = (receiver.named(*each) for each in wanted)
    assert asked
    assert call
    assert attempt
    assert event
    assert queue
    assert lease
    assert reply
    assert asked.parent_span_id.hex() == FOREIGN
    assert call.parent_span_id == asked.span_id
    assert attempt.parent_span_id == call.span_id
    assert got == f"00-{CALLED}-{attempt.span_id.hex()}-01"
    assert event.parent_span_id.hex() == FOREIGN
    assert {each.parent_span_id for each in (queue, lease, reply)} == {event.span_id}
    assert event.start_time_unix_nano < lease.start_time_unix_nano < lease.end_time_unix_nano
    said = {each.key: each.value for each in attempt.attributes}
    assert said["server"].string_value == SERVER
    assert said["outcome"].string_value == "answered"
    services = {service for service, _ in receiver.spans}
    assert services == {"n8n-bridge-web", "n8n-bridge-worker"}
    assert not any(SECRET in str(span) for _, span in receiver.spans), "no span holds a payload"
