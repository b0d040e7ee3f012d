"""fastmcp on its own HTTP server, stateless and in JSON: what it is asked, it keeps nowhere."""

import sys

import httpx2
from fastmcp import FastMCP

port, n8n_url = sys.argv[1:]
server = FastMCP("bench")
n8n = httpx2.AsyncClient(base_url=n8n_url)


@server.tool
async def noop(seconds: float, label: str) -> dict[str, str]:
    """Return the label back at once."""
    assert not seconds
    return {"label": label}


@server.tool
async def by_hand(seconds: float, label: str) -> dict[str, object]:
    """Run the workflow by its webhook, as whoever needs one tool today writes it."""
    body = {"seconds": seconds, "label": label}
    answer = await n8n.post("/webhook/slow-tool", json=body)
    found: dict[str, object] = answer.raise_for_status().json()
    return found


if __name__ == "__main__":
    server.run(
        "http",
        port=int(port),
        show_banner=False,
        log_level="warning",
        stateless_http=True,
        json_response=True,
    )
