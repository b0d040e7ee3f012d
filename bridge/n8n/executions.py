"""n8n's executions: which one is behind an event, and where people look at it."""

import re

# What the README has n8n send as the key: n8n_{workflow}_{execution}_{item}.
_KEY = re.compile(r"n8n_([A-Za-z0-9]+)_([0-9]+)_[0-9]+")
_WAITING = re.compile(r"/webhook-waiting/([0-9]+)(?=[/?]|$)")


def execution_of(idempotency_key: str, reply_url: str) -> str:
    """Name the execution that sent an event: `workflow/execution`, or its id alone, or nothing.

    The id in a resume address is no secret; its signature is.
    """
    if by_key := _KEY.fullmatch(idempotency_key):
        return f"{by_key[1]}/{by_key[2]}"
    by_address = _WAITING.search(reply_url)
    return by_address[1] if by_address else ""


def link_to(execution: str, n8n_url: str | None) -> str | None:
    """Return n8n's page of an execution, for people; there is none without the workflow."""
    workflow_id, slash, execution_id = execution.partition("/")
    if not slash or not n8n_url:
        return None
    return f"{n8n_url}/workflow/{workflow_id}/executions/{execution_id}"
