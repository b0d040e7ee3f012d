"""The pictures of the flow, as `make reference` draws them."""

from tests.docs.drawing import Does, Part, Says, plan, sequence

OURS = ("web", "another web", "worker")


def question() -> str:
    """Draw an event from n8n's webhook to the Wait node that goes on with the reply."""
    return sequence(
        "n8n asks, Claude answers",
        ("n8n", "web", "Redis", "worker", "Claude"),
        OURS,
        (
            Says("n8n", "web", "POST /hooks/…"),
            Says("web", "Redis", "the event, on disk"),
            Says("web", "n8n", "202, event_id"),
            Does("n8n", "the Wait node parks"),
            Says("Claude", "web", "take_event"),
            Says("web", "Claude", "the payload, and a lease of it"),
            Says("Claude", "web", "reply_to_event, checked against the hook's schema"),
            Says("web", "Redis", "the reply, on disk"),
            Says("Redis", "worker", "is due"),
            Says("worker", "n8n", "POST to the resume address, until n8n has taken it"),
            Does("n8n", "goes on with the reply"),
        ),
    )


def call() -> str:
    """Draw a tool call from Claude to n8n's workflow and back."""
    return sequence(
        "Claude runs a workflow",
        ("Claude", "web", "Redis", "worker", "n8n"),
        OURS,
        (
            Says("Claude", "web", "tools/call"),
            Says("web", "Redis", "the call, on disk"),
            Says("Redis", "worker", "wakes one"),
            Says("worker", "Redis", "is being sent"),
            Says("worker", "n8n", "POST /webhook/…"),
            Says("web", "Claude", "progress, keepalive"),
            Does("n8n", "the workflow runs"),
            Says("n8n", "worker", "its answer"),
            Says("worker", "Redis", "the result, on disk"),
            Says("Redis", "web", "has ended"),
            Says("web", "Claude", "the result"),
        ),
    )


def drop() -> str:
    """Draw a call whose connection drops, and that is attached to from another process."""
    return sequence(
        "A dropped connection loses nothing",
        ("Claude", "web", "another web", "Redis", "worker", "n8n"),
        OURS,
        (
            Says("Claude", "web", "tools/call"),
            Says("web", "Redis", "the call, on disk"),
            Says("Redis", "worker", "wakes one"),
            Says("worker", "n8n", "POST /webhook/…, once"),
            Says("web", "Claude", "dropped", is_lost=True),
            Does("n8n", "the workflow runs on"),
            Says("Claude", "another web", "the same call, or Last-Event-ID"),
            Says("another web", "Redis", "attached to it"),
            Says("n8n", "worker", "its answer"),
            Says("worker", "Redis", "the result, on disk"),
            Says("Redis", "another web", "has ended"),
            Says("another web", "Claude", "the result"),
        ),
    )


def deployment() -> str:
    """Draw two web processes and two workers around one Redis."""
    webs, workers = ("web 1", "web 2"), ("worker 1", "worker 2")
    return plan(
        "Two webs, two workers, one Redis",
        (
            Part("Claude's clients", 0, 0.5, "MCP over https", is_ours=False),
            Part("n8n", 0, 2.5, "webhooks, Wait nodes", is_ours=False),
            Part("reverse proxy", 1, 0.5, "any web takes any request", is_ours=False),
            *(Part(name, 2, row, f"port 808{row + 1}") for row, name in enumerate(webs)),
            *(
                Part(name, 2, row + 2, "takes over from the dead")
                for row, name in enumerate(workers)
            ),
            Part("Redis", 3, 1.5, "what must not be lost", is_ours=False),
        ),
        (
            ("Claude's clients", "reverse proxy"),
            ("n8n", "reverse proxy"),
            *(("reverse proxy", name) for name in webs),
            *((name, "Redis") for name in (*webs, *workers)),
            *((name, "n8n") for name in workers),
        ),
    )


PICTURES = {
    "question.svg": question,
    "call.svg": call,
    "drop.svg": drop,
    "deployment.svg": deployment,
}
