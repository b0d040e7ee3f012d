"""MCP Apps: pages that hosts show to people beside what a tool answers.

On purpose:
1. Every client is told of them, whether it declares the extension or not, for the list of tools is
   the same for everyone with the same rights; who has no use for `_meta.ui` leaves it.
2. No page has a right that Claude has not. To a server the call of a tool that a page makes is one
   of Claude's, and whether a tool is kept from the model is for the host to see to (decision 73).

Source: SEP-1865, 2026-01-26.
"""

import functools
import importlib.resources

import mcp_types as types

from bridge.configuration.operators_server import OPERATORS
from bridge.configuration.servers import Server

EXTENSION = "io.modelcontextprotocol/ui"
MIME_TYPE = "text/html;profile=mcp-app"
PLACE = "ui://n8n-claude-bridge/"
INBOX_URI = f"{PLACE}inbox"
CALL_URI = f"{PLACE}call"
APPROVALS_URI = f"{PLACE}approvals"


def app_at(server: Server, uri: str) -> types.TextResourceContents | None:
    """Return the page of a server at an address; None where it has none there.

    Without a `csp` in `_meta.ui` a host lets it reach no address at all.
    """
    if uri not in _apps_of(server):
        return None
    text = page(uri.removeprefix(PLACE))
    return types.TextResourceContents(
        uri=uri, mime_type=MIME_TYPE, text=text, _meta={"ui": {"prefersBorder": True}}
    )


def _apps_of(server: Server) -> set[str]:
    if server.name == OPERATORS:
        return {APPROVALS_URI}
    asks = any(each.asks_first for each in server.workflows.values())
    return ({INBOX_URI} if server.hooks else set()) | ({CALL_URI} if asks else set())


@functools.cache
def page(name: str) -> str:
    """Return a page as one document, with the look and the script that all of them share."""
    folder = importlib.resources.files("bridge.mcp.apps")
    text = (folder / f"{name}.html").read_text("utf-8")
    for part in ("look.css", "host.js"):
        text = text.replace(f"/* {part} */", (folder / part).read_text("utf-8"))
    return text
