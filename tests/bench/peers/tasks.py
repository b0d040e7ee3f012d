"""fastmcp with tasks on Redis: a call is kept by docket, whose worker runs in the same process."""

import sys

import httpx2
from fastmcp import FastMCP
from fastmcp_tasks import TasksExtension

port, n8n_url = sys.argv[1:]
server = FastMCP("bench")
server.add_extension(TasksExtension())
n8n = httpx2.AsyncClient(base_url=n8n_url)


@server.tool(task=True)
async def slow_tool(seconds: float, label: str) -> dict[str, object]:
    """Run the workflow by its webhook."""
    body = {"seconds": seconds, "label": label}
    answer = await n8n.post("/webhook/slow-tool", json=body)
    found: dict[str, object] = answer.raise_for_status().json()
    return found


if __name__ == "__main__":
    server.run("http", port=int(port), show_banner=False, log_level="warning")
