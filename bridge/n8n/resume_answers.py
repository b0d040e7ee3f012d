"""What the answers of n8n's resume addresses mean: a table read as that of `answers`."""

from collections.abc import Callable
from functools import partial

from bridge.n8n.answers import N8nAnswer
from bridge.n8n.outcomes import (
    Again,
    AgainOnce,
    AgainSoon,
    Dead,
    Delivered,
    Finished,
    ResumeOutcome,
)
from bridge.n8n.webhook_answers import DATABASE_NOT_READY, STARTING_UP, TURNED_AWAY, gives

ROUTES_NOT_MOUNTED = b"<pre>Cannot "
INVALID_TOKEN = {"error": "Invalid token"}

Down = partial(Again, is_down=True)
PerhapsArrived = partial(Again, unknown=True)
DownOrArrived = partial(Again, unknown=True, is_down=True)

RESUME: tuple[tuple[Callable[[N8nAnswer], bool], Callable[[N8nAnswer], ResumeOutcome]], ...] = (
    (
        lambda n8n: n8n.is_success and n8n.message == STARTING_UP,
        gives(Down, "n8n is starting up"),
    ),
    (
        lambda n8n: n8n.is_success and n8n.is_page,
        gives(Dead, "a web page answered ({status}), not n8n: the reply address leads elsewhere"),
    ),
    (
        lambda n8n: n8n.is_success and n8n.value == TURNED_AWAY,
        gives(Dead, "the Wait node turned the reply away ({status}); the execution still waits"),
    ),
    (
        lambda n8n: n8n.is_success and n8n.is_json,
        lambda _: Delivered(),
    ),
    (
        lambda n8n: n8n.is_success,
        gives(Delivered, "n8n answered {status} without JSON"),
    ),
    (
        lambda n8n: n8n.status // 100 == 3,
        gives(Dead, "a redirect answered ({status}), and the bridge follows none"),
    ),
    (
        lambda n8n: n8n.status == 401 and n8n.value == INVALID_TOKEN,
        gives(Dead, "n8n refused the signature of the reply address (401)"),
    ),
    (
        lambda n8n: n8n.status == 401,
        gives(
            Dead,
            "the Wait node asks for a credential (401{quote}), and replies carry none: "
            "set its Authentication to None, for the address is signed",
        ),
    ),
    (
        lambda n8n: n8n.status == 404 and n8n.is_page and ROUTES_NOT_MOUNTED in n8n.raw,
        gives(Down, "n8n has no reply addresses yet (404 with a page): it is starting"),
    ),
    (
        lambda n8n: n8n.status == 404,
        gives(Finished, "nothing in n8n waits at the reply address (404)"),
    ),
    (
        lambda n8n: n8n.status == 409 and "is running already" in n8n.message,
        gives(AgainSoon, "the execution runs and has not come to its Wait node yet (409)"),
    ),
    (
        lambda n8n: n8n.status == 409 and "has finished with error" in n8n.message,
        gives(Finished, "the execution has finished with an error (409)"),
    ),
    (
        lambda n8n: n8n.status == 409 and "has finished" in n8n.message,
        gives(Finished, "the execution has finished already (409)"),
    ),
    (
        lambda n8n: n8n.status == 500 and n8n.code == 0,
        gives(AgainOnce, "n8n could not resume the execution (500); another resume may have won"),
    ),
    (
        lambda n8n: n8n.status == 503 and n8n.message == DATABASE_NOT_READY,
        gives(Down, "n8n's database is not ready"),
    ),
    (
        lambda n8n: n8n.status in (408, 429),
        gives(Down, "n8n, or a proxy before it, is too busy ({status})"),
    ),
    (
        lambda n8n: n8n.status in (502, 503, 504) or 520 <= n8n.status < 530,
        gives(
            DownOrArrived,
            "a proxy before n8n had no answer in its time ({status}); the reply may have arrived",
        ),
    ),
    (
        lambda n8n: 400 <= n8n.status < 500,
        gives(Again, "n8n answered {status}{quote}"),
    ),
    (
        lambda _: True,
        gives(PerhapsArrived, "n8n answered {status}{quote}; the reply may have arrived"),
    ),
)


def read_resume_answer(status: int, content_type: str, body: bytes) -> ResumeOutcome:
    """Report what the answer to a reply means."""
    answer = N8nAnswer(status, content_type, body)
    return next(then(answer) for when, then in RESUME if when(answer))
