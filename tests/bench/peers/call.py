"""fastmcp with one tool that gives back what it was given, on fastmcp's own HTTP server."""

import sys

from fastmcp import FastMCP

server = FastMCP("bench")


@server.tool
async def slow_tool(seconds: float, label: str) -> dict[str, str]:
    """Return the label back at once."""
    assert not seconds
    return {"label": label}


if __name__ == "__main__":
    server.run("http", port=int(sys.argv[1]), show_banner=False, log_level="warning")
