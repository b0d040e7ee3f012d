"""What an MCP endpoint spares its requests, and when it may not."""

import subprocess
import sys

import pytest

from bridge.auth.authentication import EVERYTHING
from bridge.configuration.servers import Server
from bridge.mcp.endpoint import McpEndpoint

REGION = {"type": "string", "x-mcp-header": "Region"}
PLACE = {"type": "object", "properties": {"region": REGION}}

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
    assert not McpEndpoint(Server(name="desk")).mcp.middleware
    traced = subprocess.run([sys.executable, "-c", TRACED], capture_output=True, check=True)
    assert traced.stdout.strip() == b"1"


def test_what_a_server_is_called_in_one_answer_can_be_changed_in_no_other() -> None:
    server = McpEndpoint(Server(name="desk", title="Desk")).mcp
    server.server_info_stamp["name"] = "changed"
    assert server.server_info_stamp["name"] == "desk"
