"""The servers that both versions serve: a hook for each scenario, workflows of every kind."""

import json
from pathlib import Path
from typing import Any

from tests.doors.by_hand import ALICE, BOB, N8N

SECRETS = {"ALICE_TOKEN": ALICE, "BOB_TOKEN": BOB, "N8N_TOKEN": N8N}

SERVERS = ("desk", "counter")
"""Two that are alike, for scenarios that are gone through twice on one store."""

SERVER_HEADER = "x-server"
RATE = 2
EXPIRES_S = 8
DEFAULT_REPLY = {"default": True}

HOOKS: dict[str, dict[str, Any]] = {
    "queued": {},
    "leased": {},
    "unanswered": {},
    "answered": {},
    "undelivered": {},
    "being-sent": {},
    "refused": {},
    "repeated": {},
    "put-off": {},
    "set-aside": {},
    "with-files": {},
    "listed": {},
    "raced": {},
    "awaited": {},
    "held-open": {},
    "in-the-middle": {},
    "told": {},
    "polled": {},
    "watched": {},
    "merged": {"coalesce": {"key": "/id", "window": "10m"}},
    "limited": {"limits": {"rate": f"{RATE}/h"}},
    "expiring": {"answer_within": f"{EXPIRES_S}s", "default_reply": DEFAULT_REPLY},
}


def workflows(server: str, n8n_url: str) -> dict[str, dict[str, Any]]:
    """Describe the workflows, which say in a header whose they are.

    Their tools answer with a handle, but for `waits` and `held_inline`.
    """
    quick = {
        "url": f"{n8n_url}/webhook/slow-tool",
        "headers": {SERVER_HEADER: server},
        "input": {"type": "object"},
        "attach": False,
        "answer_inline_for": 0,
    }
    held = {**quick, "url": f"{n8n_url}/webhook/held-tool"}
    idempotent = {"annotations": {"idempotent": True}}
    return {
        "quick": quick,
        "joined": {**quick, "attach": True},
        "waits": {**quick, "answer_inline_for": "2m", **idempotent},
        "held_once": held,
        "held_idempotent": {**held, **idempotent},
        "held_narrow": {**held, **idempotent, "concurrency": 1},
        "held_joined": {**held, **idempotent, "attach": True},
        "held_inline": {**held, **idempotent, "answer_inline_for": "2m"},
        "called_back": {
            **held,
            "url": f"{n8n_url}/webhook/held-callback",
            "result": "callback",
            "progress": True,
        },
        "followed": {**held, "url": f"{n8n_url}/webhook/held-execution", "result": "execution"},
    }


def write_servers(folder: Path, n8n_url: str) -> None:
    """Write the server files into a folder."""
    for server in SERVERS:
        file = {
            "name": server,
            "tokens": [
                {"name": "alice", "token": "env:ALICE_TOKEN"},
                {"name": "bob", "token": "env:BOB_TOKEN"},
            ],
            "hooks": {
                name: {"auth": {"bearer": "env:N8N_TOKEN"}} | more for name, more in HOOKS.items()
            },
            "workflows": workflows(server, n8n_url),
        }
        (folder / f"{server}.json").write_text(json.dumps(file))
