"""What the answers of n8n's webhooks mean: of a table the first row that holds gives the outcome.

Each row was seen from n8n 2.41 or follows from contract section 8. No body and no address ever
gets into a reason; of n8n's own words only the sentences listed here do.
"""

from collections.abc import Callable
from typing import TypeVar

from bridge.models import Json
from bridge.outcomes import (
    Answered,
    MaybeRun,
    NotRegistered,
    NotRun,
    Refused,
    WebhookOutcome,
)
from workers.n8n_answer import Answer, BinaryBody, JsonBody, TextBody

Outcome = TypeVar("Outcome")

STARTING_UP = "n8n is starting up. Please wait"
DATABASE_NOT_READY = "Database is not ready!"
TURNED_AWAY = {"message": "Webhook call received"}
"""What n8n answers when its node decided that this request shall start, or resume, nothing."""

QUOTABLE = frozenset(
    {
        "Authentication data is wrong!",
        "Authorization data is wrong!",
        "Authorization is required!",
        "Failed to parse request body",
        "No Respond to Webhook node found in the workflow",
        "No authentication data defined on node!",
        "No binary data was found to return",
        "No item to return was found",
        "No token provided",
        "There was a problem executing the workflow",
        "Workflow Webhook Error: Workflow could not be started!",
    }
)


def gives(outcome: Callable[[str], Outcome], sentence: str) -> Callable[[Answer], Outcome]:
    """Make an outcome whose reason is a sentence filled with what is harmless of the answer."""

    def give(answer: Answer) -> Outcome:
        quote = f' saying "{answer.message}"' if answer.message in QUOTABLE else ""
        return outcome(sentence.format(status=answer.status, media=answer.media_type, quote=quote))

    return give


def value_of(answer: Answer) -> Json:
    """Take the value out of a body that is JSON or text; None out of any other."""
    match answer.body:
        case JsonBody(value):
            return value
        case TextBody(text):
            return text
        case BinaryBody():
            return None


WEBHOOK: tuple[tuple[Callable[[Answer], bool], Callable[[Answer], WebhookOutcome]], ...] = (
    (
        lambda n8n: n8n.is_success and n8n.message == STARTING_UP,
        gives(NotRun, "n8n is starting up"),
    ),
    (
        lambda n8n: n8n.is_success and n8n.is_empty,
        lambda _: Answered(None, empty=True),
    ),
    (
        lambda n8n: n8n.is_success and value_of(n8n) == TURNED_AWAY,
        gives(
            Refused,
            "the Webhook node turned the request away and ran nothing: its option Only Run If "
            "does not hold for these arguments",
        ),
    ),
    (
        lambda n8n: n8n.is_success and not n8n.is_binary,
        lambda n8n: Answered(value_of(n8n)),
    ),
    (
        lambda n8n: n8n.is_success,
        gives(
            Refused,
            "the workflow ran, but its answer ({media}) is neither JSON nor text: "
            "let it answer with JSON, with text or with a link to the file",
        ),
    ),
    (
        lambda n8n: n8n.status // 100 == 3,
        gives(
            Refused,
            "n8n answered with a redirect ({status}), and the bridge follows none: "
            "put the final address into `url`",
        ),
    ),
    (
        lambda n8n: n8n.status == 403 and n8n.message.startswith("IP is not allowed"),
        gives(Refused, "the Webhook node's IP allow-list does not hold the bridge's address"),
    ),
    (
        lambda n8n: n8n.status in (401, 403),
        gives(
            Refused,
            "n8n refused the credential ({status}{quote}): "
            "make `auth` in the server file and the Webhook node's credential the same",
        ),
    ),
    (
        lambda n8n: n8n.status == 404 and "webhook is not registered for" in n8n.message,
        gives(
            NotRegistered,
            "the workflow is not active in n8n for this method: activate it, or mend `method`",
        ),
    ),
    (
        lambda n8n: n8n.status == 404 and "is not registered" in n8n.message,
        gives(
            NotRegistered,
            "the workflow is not active in n8n, or has another path: activate it, or mend `url`",
        ),
    ),
    (
        lambda n8n: n8n.status == 404 and n8n.is_labelled_html and not n8n.is_json,
        gives(
            NotRun, "n8n has no webhooks yet (404 with a page): it is starting, or `url` is wrong"
        ),
    ),
    (
        lambda n8n: n8n.status == 413,
        gives(Refused, "n8n, or a proxy before it, takes no request as long as this one (413)"),
    ),
    (
        lambda n8n: n8n.status in (408, 429),
        gives(
            MaybeRun, "n8n, or a proxy before it, is too busy ({status}); the workflow may have run"
        ),
    ),
    (
        lambda n8n: 400 <= n8n.status < 500,
        gives(Refused, "n8n answered {status}{quote}, and would again"),
    ),
    (
        lambda n8n: n8n.status == 500 and n8n.message == "Error in workflow",
        gives(
            MaybeRun,
            "the workflow failed in n8n, where its Executions list shows the node and the cause; "
            "the nodes before it may have run",
        ),
    ),
    (
        lambda n8n: n8n.status == 503 and n8n.message == DATABASE_NOT_READY,
        gives(NotRun, "n8n's database is not ready"),
    ),
    (
        lambda n8n: n8n.status in (502, 504) or 520 <= n8n.status < 530,
        gives(
            MaybeRun,
            "a proxy before n8n had no answer in its time ({status}); the workflow may have run",
        ),
    ),
    (
        lambda _: True,
        gives(MaybeRun, "n8n answered {status}{quote}; the workflow may have run"),
    ),
)


def read_webhook_answer(status: int, content_type: str, body: bytes) -> WebhookOutcome:
    """Tell what a webhook's answer means."""
    answer = Answer(status, content_type, body)
    return next(then(answer) for when, then in WEBHOOK if when(answer))
