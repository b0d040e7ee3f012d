"""What the answers of n8n's webhooks mean: of a table the first row that holds gives the outcome.

Each row was seen from n8n 2.41 or follows from contract section 8. No body and no address ever
gets into a reason; of n8n's own words only the sentences listed here do. What the workflow says
itself goes beside the reason of a run, to be freed of secrets, and never to that of a reply.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from bridge.n8n.answers import N8nAnswer
from bridge.n8n.outcomes import (
    Answered,
    MaybeRun,
    NotRegistered,
    NotRun,
    Refused,
    RunOutcome,
    Trouble,
)

Outcome = TypeVar("Outcome")
Spoken = TypeVar("Spoken", bound=Trouble)

STARTING_UP = "n8n is starting up. Please wait"
DATABASE_NOT_READY = "Database is not ready!"
TURNED_AWAY = {"message": "Webhook call received"}
"""What n8n answers when its node decided that this request shall start, or resume, nothing."""

CREDENTIAL_FAULTS = frozenset(
    {
        "Authentication data is wrong!",
        "Authorization data is wrong!",
        "Authorization is required!",
        "No token provided",
    }
)
JWT_FAULTS = frozenset({"invalid token", "invalid signature", "invalid algorithm"})
"""Of the npm package jsonwebtoken, whose other words begin with `jwt`; the node hands them on."""

QUOTABLE = CREDENTIAL_FAULTS | frozenset(
    {
        "Failed to parse request body",
        "No Respond to Webhook node found in the workflow",
        "No authentication data defined on node!",
        "No binary data was found to return",
        "No item to return was found",
        "There was a problem executing the workflow",
        "Workflow Webhook Error: Workflow could not be started!",
    }
)


def gives(outcome: Callable[[str], Outcome], sentence: str) -> Callable[[N8nAnswer], Outcome]:
    """Make an outcome whose reason is a sentence filled with what is harmless of the answer."""

    def give(answer: N8nAnswer) -> Outcome:
        quote = f' saying "{answer.message}"' if answer.message in QUOTABLE else ""
        return outcome(sentence.format(status=answer.status, media=answer.media_type, quote=quote))

    return give


def quotes(outcome: type[Spoken], sentence: str) -> Callable[[N8nAnswer], Spoken]:
    """Make an outcome as `gives` does, with what the answer says itself beside the reason."""

    def give(answer: N8nAnswer) -> Spoken:
        told = gives(outcome, sentence)(answer)
        return told if answer.message in QUOTABLE else replace(told, words=answer.words)

    return give


def is_credential_fault(answer: N8nAnswer) -> bool:
    """Report whether it is n8n's node that refuses the credential, by the words it has for that."""
    if answer.status not in (401, 403):
        return False
    says_jwt = answer.message.startswith("jwt ") or answer.message in JWT_FAULTS
    return answer.message in CREDENTIAL_FAULTS or (says_jwt and not answer.is_json)


WEBHOOK: tuple[tuple[Callable[[N8nAnswer], bool], Callable[[N8nAnswer], RunOutcome]], ...] = (
    (
        lambda n8n: n8n.is_success and n8n.message == STARTING_UP,
        gives(NotRun, "n8n is starting up"),
    ),
    (
        lambda n8n: n8n.is_success and n8n.is_empty,
        lambda _: Answered(None, empty=True),
    ),
    (
        lambda n8n: n8n.is_success and n8n.value == TURNED_AWAY,
        gives(
            Refused,
            "the Webhook node turned the request away and ran nothing: its option Only Run If "
            "does not hold for these arguments",
        ),
    ),
    (
        lambda n8n: n8n.is_success and n8n.untenable is not None,
        lambda n8n: Refused(f"the workflow ran, but its answer cannot be told: {n8n.untenable}"),
    ),
    (
        lambda n8n: n8n.is_success and n8n.is_broken_off,
        quotes(Refused, "the workflow failed while its answer was streamed; it has run in part"),
    ),
    (
        lambda n8n: n8n.is_success and not n8n.is_binary,
        lambda n8n: Answered(n8n.value, page=n8n.page, is_streamed=n8n.is_streamed, flaw=n8n.flaw),
    ),
    (
        lambda n8n: n8n.is_success,
        lambda n8n: Answered(None, page=n8n.page, file=n8n.file),
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
        is_credential_fault,
        quotes(
            Refused,
            "n8n refused the credential ({status}{quote}): "
            "make `auth` in the server file and the Webhook node's credential the same",
        ),
    ),
    (
        lambda n8n: n8n.status == 404 and "webhook is not registered for" in n8n.message,
        gives(
            NotRegistered,
            "the workflow is not active in n8n for this method: publish it (n8n 1: activate it), "
            "or mend `method`",
        ),
    ),
    (
        lambda n8n: n8n.status == 404 and "is not registered" in n8n.message,
        gives(
            NotRegistered,
            "the workflow is not active in n8n, or has another path: publish it (n8n 1: activate "
            "it), or mend `url`",
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
        quotes(Refused, "n8n, or a proxy before it, takes no request as long as this one (413)"),
    ),
    (
        lambda n8n: n8n.status in (408, 429),
        quotes(
            MaybeRun, "n8n, or a proxy before it, is too busy ({status}); the workflow may have run"
        ),
    ),
    (
        lambda n8n: 400 <= n8n.status < 500 and n8n.page is not None,
        quotes(
            Refused,
            "a web page answered {status}, which is not the workflow's but of what stands before "
            "n8n, such as a proxy, a login or a challenge: let the bridge through there",
        ),
    ),
    (
        lambda n8n: n8n.status in (401, 403) and n8n.is_empty,
        gives(
            Refused,
            "n8n, or what stands before it, refused the request without a word ({status}): is "
            "`auth` in the server file what it wants?",
        ),
    ),
    (
        lambda n8n: 400 <= n8n.status < 500,
        quotes(Refused, "n8n answered {status}{quote}"),
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
        quotes(
            MaybeRun,
            "a proxy before n8n had no answer in its time ({status}); the workflow may have run",
        ),
    ),
    (
        lambda _: True,
        quotes(MaybeRun, "n8n answered {status}{quote}; the workflow may have run"),
    ),
)


def read_webhook_answer(
    status: int, content_type: str, body: bytes, disposition: str = ""
) -> RunOutcome:
    """Report what a webhook's answer means; its Content-Disposition names a file."""
    answer = N8nAnswer(status, content_type, body, disposition)
    return next(then(answer) for when, then in WEBHOOK if when(answer))
