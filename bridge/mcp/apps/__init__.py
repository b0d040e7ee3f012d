"""MCP Apps: pages that hosts show to people beside what a tool answers.

On purpose: every client is told of them, whether it declares the extension or not, for the list of
tools is the same for everyone with the same rights; who has no use for `_meta.ui` leaves it.

Source: SEP-1865, 2026-01-26.
"""

import functools
import importlib.resources

import mcp_types as types

EXTENSION = "io.modelcontextprotocol/ui"
MIME_TYPE = "text/html;profile=mcp-app"
INBOX_URI = "ui://n8n-claude-bridge/inbox"


def app_at(uri: str) -> types.TextResourceContents | None:
    """Return the page at an address; None where it is no page's.

    Without a `csp` in `_meta.ui` a host lets it reach no address at all.
    """
    if uri != INBOX_URI:
        return None
    return types.TextResourceContents(
        uri=uri, mime_type=MIME_TYPE, text=_inbox(), _meta={"ui": {"prefersBorder": True}}
    )


@functools.cache
def _inbox() -> str:
    return (importlib.resources.files("bridge.mcp.apps") / "inbox.html").read_text("utf-8")
