"""The workflows the stand-in knows, each as its file in n8n would run."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from bridge.models import Json
from bridge.standin.answers import answered_text, started, written
from bridge.standin.executions import Execution, Item, WorkflowFailedError
from bridge.standin.pdf import read_pdf
from bridge.standin.runs import Run, number

BIG_ROWS, BIG_ROWS_MAX = 5_000, 60_000
ASK_LIMIT_S = 3600.0


@dataclass(frozen=True)
class Flow:
    """One workflow: what its nodes do, and its answer at once if it does not wait for them."""

    workflow_id: str
    play: Callable[[Run], Awaitable[Json]]
    at_once: Callable[[Execution], Response] | None = None
    method: str = "POST"


async def slow_tool(run: Run) -> Json:
    """Wait for `seconds`, then tell what came."""
    await run.wait("Wait", run.argument("seconds"))
    execution: Json = run.execution.execution_id
    headers: dict[str, Json] = dict(run.item.headers)
    told = run.arguments("label") | {"execution": execution, "headers": headers}
    return run.outside.marked(told)


async def failing_tool(_run: Run) -> Json:
    """Fail as a Stop and Error node does."""
    raise WorkflowFailedError("the invoice service is down", "Stop")


async def big_tool(run: Run) -> Json:
    """Return `rows` rows, of which half the members say nothing."""
    count = number(run.argument("rows") or BIG_ROWS)
    wanted = int(min(count, BIG_ROWS_MAX)) if count > 0 else 0
    rows: list[Json] = [
        {"id": row, "name": f"row {row}", "note": None, "tags": [], "amount": row * 37 % 1000}
        for row in range(wanted)
    ]
    return run.outside.marked({"rows": rows})


async def execution_tool(run: Run) -> Json:
    """Go on after the answer, for `seconds`; the result is in the execution."""
    await run.wait("Wait", run.argument("seconds"))
    return run.outside.marked(run.arguments("label"))


async def callback_tool(run: Run) -> Json:
    """Report progress after `seconds`, and the result after as many again."""
    address = run.item.headers.get("bridge-callback-url", "")
    await run.wait("Wait", run.argument("seconds"))
    await run.send("Progress", address, {"progress": 0.5, "message": "half way"})
    await run.wait("Wait again", run.argument("seconds"))
    execution: Json = run.execution.execution_id
    result = run.outside.marked(run.arguments("label") | {"execution": execution})
    return await run.send("Result", address, {"result": result})


async def pdf_tool(run: Run) -> Json:
    """Read the text of a PDF."""
    encoded = run.argument("pdf_base64")
    return run.outside.marked(read_pdf(encoded if isinstance(encoded, str) else ""))


async def ask_claude(run: Run) -> Json:
    """Ask over the bridge's hook, park until the reply, answer with the reply."""
    reply = await _ask(run, "demo/question", {})
    # JSON.stringify of no value gives an empty answer, which n8n sends as an empty object.
    return {} if reply is None or reply.body in (None, "") else reply.body


async def tool_that_asks(run: Run) -> Json:
    """Ask in the middle of a call, over the hook named; the reply is in the result."""
    hook, call_id = run.argument("hook"), run.item.headers.get("bridge-call-id", "")
    reply = await _ask(run, str(hook), {"bridge-call-id": call_id})
    return run.outside.marked({"reply": reply.body if reply else None})


async def _ask(run: Run, hook: str, more: dict[str, str]) -> Item | None:
    """Send a question to a hook on this machine, and park until it is answered."""
    port, token = run.argument("port") or 8080, run.argument("token") or ""
    headers = {
        "authorization": f"Bearer {token}".strip(),
        "idempotency-key": f"n8n_{run.execution.workflow_id}_{run.execution.execution_id}_0",
        "bridge-reply-url": run.resume_url.replace("?", "/reply?"),
        **more,
    }
    url = f"http://127.0.0.1:{port}/hooks/{hook}"
    await run.send_with_retry("To the bridge", url, run.arguments("question", "from"), headers)
    return await run.execution.park("reply", "POST", ASK_LIMIT_S)


def execution_id_at_once(execution: Execution) -> Response:
    """Answer 202 with the execution's id, a JSON text that n8n labels as HTML."""
    return answered_text(written({"executionId": execution.execution_id}), 202)


def started_at_once(_execution: Execution) -> Response:
    """Answer that the workflow was started."""
    return started()


FLOWS: dict[str, Flow] = {
    "slow-tool": Flow("bridgeSlowTool01", slow_tool),
    "failing-tool": Flow("bridgeFailing001", failing_tool),
    "big-tool": Flow("bridgeBigTool001", big_tool),
    "execution-tool": Flow("bridgeExecution1", execution_tool, execution_id_at_once),
    "callback-tool": Flow("bridgeCallback01", callback_tool, started_at_once),
    "pdf-tool": Flow("bridgePdfTool001", pdf_tool),
    "tool-that-asks": Flow("bridgeToolAsks01", tool_that_asks),
    "ask-claude": Flow("bridgeAskClaude1", ask_claude),
}
