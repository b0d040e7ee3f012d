"""What an MCP endpoint spares its requests, and when it may not."""

import subprocess
import sys
from typing import Any

import mcp_types as types
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mcp.server.connection import Connection
from mcp.shared.transport_context import TransportContext
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from bridge.auth.authentication import EVERYTHING, Scope
from bridge.configuration.servers import Server
from bridge.errors import TransientError
from bridge.mcp.endpoint import McpEndpoint
from bridge.mcp.exchange import Exchange, NullChannel, answer
from bridge.mcp.tools import Caller, Context, Frames
from bridge.models import Message, Principal

REGION = {"type": "string", "x-mcp-header": "Region"}
PLACE = {"type": "object", "properties": {"region": REGION}}

SERVER = Server.model_validate(
    {
        "name": "desk",
        "workflows": {"ship": {"url": "http://n8n"}, "read": {"url": "http://n8n"}},
        "hooks": {"asked": {"auth": {"bearer": "x"}}},
    }
)
SCOPES = (EVERYTHING, Scope(hooks=frozenset()), Scope(workflows=frozenset({"ship"})))
VERSIONS = (*MODERN_PROTOCOL_VERSIONS, *HANDSHAKE_PROTOCOL_VERSIONS)
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN_PROTOCOL_VERSIONS[-1],
    "io.modelcontextprotocol/clientCapabilities": {},
}
SOMETHING: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text() | st.just({}) | st.just([1])
)
METAS = st.dictionaries(
    st.sampled_from([*ENVELOPE, "io.modelcontextprotocol/clientInfo", "progressToken", "x"]),
    SOMETHING | st.just({"name": "a", "version": "1"}),
)
PARAMS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "cursor": SOMETHING,
        "x": SOMETHING,
        "_meta": SOMETHING | METAS | METAS.map(lambda meta: ENVELOPE | meta),
    },
)

TRACED = """
from opentelemetry.trace import NoOpTracerProvider, set_tracer_provider
set_tracer_provider(NoOpTracerProvider())
from bridge.configuration.servers import Server
from bridge.mcp.endpoint import McpEndpoint
print(len(McpEndpoint(Server(name="desk")).mcp.middleware))
"""


@pytest.mark.parametrize("properties", [{"region": REGION}, {"place": PLACE}])
def test_of_a_tool_whose_arguments_are_repeated_as_headers_these_are_compared(
    properties: dict[str, object],
) -> None:
    schema = {"type": "object", "properties": properties}
    workflows = {"ship": {"url": "http://n8n", "input": schema}, "plain": {"url": "http://n8n"}}
    endpoint = McpEndpoint(Server.model_validate({"name": "desk", "workflows": workflows}))
    assert endpoint.header_schema("ship", EVERYTHING) == endpoint.input_schema("ship")
    assert endpoint.input_schema("plain") is not None
    assert endpoint.header_schema("plain", EVERYTHING) is None
    assert endpoint.header_schema("unknown", EVERYTHING) is None


def test_spans_are_made_where_a_tracer_takes_them_and_nowhere_else() -> None:
    without = len(McpEndpoint(Server(name="desk")).mcp.middleware)
    traced = subprocess.run([sys.executable, "-c", TRACED], capture_output=True, check=True)
    assert int(traced.stdout) == without + 1


def test_what_a_server_is_called_in_one_answer_can_be_changed_in_no_other() -> None:
    server = McpEndpoint(Server(name="desk", title="Desk")).mcp
    server.server_info_stamp["name"] = "changed"
    assert server.server_info_stamp["name"] == "desk"


async def tools_listed(
    endpoint: McpEndpoint, params: dict[str, Any] | None, version: str, scope: Scope
) -> Message:
    """List the tools as a wire does, past what the wires themselves refuse."""
    message: Message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    if params is not None:
        message["params"] = params
    caller = Caller(None, SERVER, Principal("desk", "alice"), scope)  # type: ignore[arg-type]
    transport = TransportContext(kind="stdio", can_send_request=False)
    connection = Connection.from_envelope(version, None, {})
    exchange = Exchange(message, NullChannel(), transport)
    return (await answer(endpoint.mcp, exchange, connection, caller)).message


async def test_what_fails_before_an_answer_becomes_the_answer() -> None:
    async def frames() -> Frames:
        yield {"method": "notifications/came"}
        raise TransientError("no Redis")

    async def fail(context: Context, _params: types.RequestParams) -> dict[str, Any]:
        context.lifespan_context.send_first(frames())
        return {"resultType": "complete"}

    mcp = McpEndpoint(SERVER).mcp
    mcp.add_request_handler("x/fail", types.RequestParams, fail)
    caller = Caller(None, SERVER, Principal("desk", "alice"))  # type: ignore[arg-type]
    transport = TransportContext(kind="stdio", can_send_request=False)
    connection = Connection.from_envelope(MODERN_PROTOCOL_VERSIONS[-1], None, {})
    message: Message = {"jsonrpc": "2.0", "id": 7, "method": "x/fail", "params": {}}
    answered = await answer(mcp, Exchange(message, NullChannel(), transport), connection, caller)

    assert answered.frames
    assert [frame async for frame in answered.frames] == [{"method": "notifications/came"}]
    assert answered.message["id"] == 7
    assert answered.message["error"]["code"] == types.INTERNAL_ERROR
    assert "result" not in answered.message


LISTED_BEFORE = McpEndpoint(SERVER)


@given(PARAMS, st.sampled_from(VERSIONS), st.sampled_from(SCOPES))
@example({"_meta": ENVELOPE}, MODERN_PROTOCOL_VERSIONS[-1], EVERYTHING)
@example({"_meta": {**ENVELOPE, "progressToken": None}}, MODERN_PROTOCOL_VERSIONS[-1], EVERYTHING)
@example({"_meta": ENVELOPE, "cursor": 5}, MODERN_PROTOCOL_VERSIONS[-1], EVERYTHING)
async def test_a_list_that_was_shaped_before_is_what_a_first_one_would_be(
    params: dict[str, Any] | None, version: str, scope: Scope
) -> None:
    whole = {"_meta": ENVELOPE} if version in MODERN_PROTOCOL_VERSIONS else {}
    assert "result" in await tools_listed(LISTED_BEFORE, whole, version, scope)
    first = await tools_listed(McpEndpoint(SERVER), params, version, scope)
    again = await tools_listed(LISTED_BEFORE, params, version, scope)
    assert again == first
