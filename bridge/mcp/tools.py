"""What a tool is, and how its results are told."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext

from bridge.mcp.exchange import Caller

Context = ServerRequestContext[Caller]
Arguments = dict[str, Any]
Schema = dict[str, Any]
Run = Callable[[Context, Arguments], Awaitable[types.CallToolResult]]


@dataclass(frozen=True)
class Tool:
    """One tool: what Claude reads of it, and the verb behind it."""

    name: str
    title: str
    description: str
    input: Schema
    annotations: types.ToolAnnotations
    run: Run
    output: Schema | None = None

    def describe(self) -> types.Tool:
        """Give the tool as it stands in the list."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.input,
            output_schema=self.output,
            annotations=self.annotations.model_copy(update={"title": self.title}),
        )


def hints(
    *,
    read_only: bool,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = False,
) -> types.ToolAnnotations:
    """Give a tool's annotations with every hint said outright."""
    return types.ToolAnnotations(
        read_only_hint=read_only,
        destructive_hint=destructive,
        idempotent_hint=idempotent or read_only,
        open_world_hint=open_world,
    )


def arguments(required: str = "", **properties: Schema) -> Schema:
    """Give the input schema of an object with these properties and no others."""
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required.split()
    return schema


def success(structured: dict[str, Any]) -> types.CallToolResult:
    """Tell a result, as structure and as the same JSON in text for clients that read only text."""
    text = json.dumps(structured, ensure_ascii=False, separators=(",", ":"))
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=structured
    )


def failure(sentence: str) -> types.CallToolResult:
    """Tell what went wrong, in a sentence that says how to mend it."""
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=sentence)], is_error=True
    )
