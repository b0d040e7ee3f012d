"""One call of a tool by langchain-mcp-adapters, which connects, asks and leaves.

A program of its own, for the interpreter that has the package: `WIRE URL AUTHORIZATION` and the
call as JSON; it prints what the tool gave, as JSON.
"""

import asyncio
import json
import sys

from langchain_mcp_adapters.client import (  # type: ignore[import-not-found]
    MultiServerMCPClient,
)


async def main(wire: str, url: str, authorization: str, asked: str) -> None:
    """Make the call."""
    transport = "sse" if wire == "/sse" else "streamable_http"
    headers = {"Authorization": authorization}
    server = {"transport": transport, "url": url, "headers": headers}
    if wire == "stdio":
        server = {"transport": "stdio", "command": url, "args": []}
    call = json.loads(asked)
    tools = {tool.name: tool for tool in await MultiServerMCPClient({"b": server}).get_tools()}
    try:
        told = await tools[call["tool"]].ainvoke(call["arguments"])
    except Exception as error:  # noqa: BLE001  whatever it is, it is what its model is told
        sys.stdout.write(json.dumps({"text": str(error), "isError": True}))
        return
    text = told if isinstance(told, str) else "".join(block.get("text", "") for block in told)
    sys.stdout.write(json.dumps({"text": text, "isError": False}))


asyncio.run(main(*sys.argv[1:]))
