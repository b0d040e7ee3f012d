"""The server that the chaos is about: a hook, and workflows of every way to run and to answer."""

from typing import Any

SERVER = "chaos"
TOKEN_NAME, HOOK_TOKEN_NAME = "PROOF_TOKEN", "PROOF_HOOK_TOKEN"
CALLBACK_TIMEOUT_S = 25
LEASE_S = 15

SLOW, CALLED_BACK = "slow-tool", "callback-tool"
GATED = "gated"
"""The workflow whose calls somebody must approve."""
ONCE = frozenset({"once", "once_by_handle", "called_back", GATED})
"""The workflows that must never run twice."""

QUICK_OR_SLOW = ("once", "once_by_handle", "repeatable", "called_back")


def server_file(n8n_url: str) -> dict[str, Any]:
    """Write the server file."""
    slow = {"url": f"{n8n_url}/webhook/{SLOW}", "input": {"type": "object"}, "concurrency": 1000}
    retry = {"attempts": 20, "first": "1s", "cap": "2s"}
    return {
        "name": SERVER,
        "tokens": [f"env:{TOKEN_NAME}"],
        "hooks": {
            "question": {
                "auth": {"bearer": f"env:{HOOK_TOKEN_NAME}"},
                "lease": f"{LEASE_S}s",
                "max_attempts": 50,
            }
        },
        "workflows": {
            "once": slow,
            "once_by_handle": {**slow, "answer_inline_for": 0},
            "repeatable": {**slow, "annotations": {"idempotent": True}, "retry": retry},
            GATED: {**slow, "approve": "always"},
            "called_back": {
                **slow,
                "url": f"{n8n_url}/webhook/{CALLED_BACK}",
                "result": "callback",
                "timeout": f"{CALLBACK_TIMEOUT_S}s",
            },
        },
    }
