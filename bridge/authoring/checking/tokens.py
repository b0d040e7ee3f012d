"""What tools cost: the tokens of their definitions, which Claude reads again with every request.

Claude's own tokenizer is not public. A byte-pair vocabulary of its kind and size counts in its
place, where the extra `tokens` is installed; else four bytes are taken for a token, which for the
JSON of tools is right within a tenth.
"""

import importlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bridge.authoring.checking.rules import SERVER_COSTLY, TOOL_COSTLY
from bridge.configuration.fields import BUILT_IN_TOOLS
from bridge.configuration.findings import Finding
from bridge.configuration.server_files import ServerFile, ServerFiles
from bridge.configuration.servers import Server
from bridge.mcp.endpoint import tools_of
from bridge.mcp.tools import Tool

VOCABULARY = "o200k_base"
ESTIMATE = "4 bytes a token"
BYTES_A_TOKEN = 4

TOOL_TOKENS = 800
"""Tools take from 200 to 800: https://www.anthropic.com/engineering/writing-tools-for-agents"""

SERVER_TOKENS, SERVER_TOOLS = 10_000, 50
"""Claude chooses worse among more:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-search-tool"""

Count = Callable[[bytes], int]


@dataclass(frozen=True)
class ServerCost:
    """What the tools of a server cost, the costliest workflow first.

    `built_in` is for the tools that every server has.
    """

    server: str
    workflows: tuple[tuple[str, int], ...]
    built_in: int

    @property
    def tokens(self) -> int:
        """Return what all of its tools cost together."""
        return self.built_in + sum(tokens for _, tokens in self.workflows)


@dataclass(frozen=True)
class Costs:
    """What the tools of sound servers cost, and what counted it."""

    counted_by: str
    servers: tuple[ServerCost, ...]


def costs_of(servers: Iterable[Server]) -> Costs:
    """Count the tokens of all tools."""
    counted_by, count = _counter()
    return Costs(counted_by, tuple(_cost(server, count) for server in servers))


def costly_tools(files: ServerFiles, costs: Costs) -> Iterator[Finding]:
    """Find the tools, and the servers, that cost more than Claude can well spare."""
    by_name = {cost.server: cost for cost in costs.servers}
    for file in files.files:
        if file.server:
            yield from _costly(file, by_name[file.server.name], costs.counted_by)


def _costly(file: ServerFile, cost: ServerCost, counted_by: str) -> Iterator[Finding]:
    for tool, tokens in cost.workflows:
        if tokens > TOOL_TOKENS:
            said = (
                f"costs about {tokens:,} tokens of every request ({counted_by}), and {TOOL_TOKENS} "
                "are many: shorten descriptions, drop what is seldom used, or split the tool"
            )
            yield file.document.finding(TOOL_COSTLY, ("workflows", tool), said)
    number = len(cost.workflows) + len(BUILT_IN_TOOLS)
    if cost.tokens > SERVER_TOKENS or number > SERVER_TOOLS:
        said = (
            f"lists {number} tools that cost about {cost.tokens:,} tokens ({counted_by}), and "
            f"Claude chooses worse beyond {SERVER_TOOLS} tools or {SERVER_TOKENS:,} tokens: make "
            "several servers of it"
        )
        yield file.document.finding(SERVER_COSTLY, ("workflows",), said)


def _cost(server: Server, count: Count) -> ServerCost:
    tokens = {
        name: count(_definition(server.name, tool)) for name, tool in tools_of(server).items()
    }
    built_in = sum(tokens[name] for name in tokens.keys() & BUILT_IN_TOOLS)
    own = [(name, tokens[name]) for name in tokens if name not in BUILT_IN_TOOLS]
    return ServerCost(server.name, tuple(sorted(own, key=lambda each: -each[1])), built_in)


def _definition(server: str, tool: Tool) -> bytes:
    """Return a tool as Claude's API is sent it."""
    sent = {
        "name": f"mcp__{server}__{tool.name}",
        "description": tool.description,
        "input_schema": tool.input,
    }
    return json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode()


def _counter() -> tuple[str, Count]:
    try:
        library: Any = importlib.import_module("bpe_openai")
    except ImportError:
        return ESTIMATE, lambda text: -(-len(text) // BYTES_A_TOKEN)
    encoding = library.get_encoding(VOCABULARY)
    return VOCABULARY, lambda text: len(encoding.encode_ordinary(text.decode()))
