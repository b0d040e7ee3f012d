"""What n8n's answers mean: one example a row, and rules that hold for every answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.exact_json import spell
from bridge.models import Json
from bridge.outcomes import (
    Again,
    AgainOnce,
    AgainSoon,
    Answered,
    Dead,
    Delivered,
    Finished,
    MaybeRun,
    NotRegistered,
    NotRun,
    Refused,
    ResumeOutcome,
    WebhookOutcome,
)
from bridge.scrub import scrub_outcome
from workers.answers import WEBHOOK, read_webhook_answer
from workers.n8n_answer import Answer
from workers.resumes import RESUME, read_resume_answer

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
STARTING = (200, HTML, b"n8n is starting up. Please wait")
CANNOT_POST = (
    b"<!DOCTYPE html>\n<html><body>\n<pre>Cannot POST /webhook/x</pre>\n</body>\n</html>\n"
)
NO_DATABASE = (503, JSON, b'{"code":503,"message":"Database is not ready!"}')
OTHER_METHOD = b'{"code":404,"message":"This webhook is not registered for GET requests. Did you"}'
UNKNOWN_PATH = b'{"code":404,"message":"The requested webhook \\"POST x\\" is not registered."}'
RUNNING = b'{"code":409,"message":"The execution \\"12\\" is running already."}'
FINISHED = b'{"code":409,"message":"The execution \\"12 has finished already."}'
FINISHED_BADLY = b'{"code":409,"message":"The execution \\"12\\" has finished with error."}'
TURNED_AWAY = b'{"message":"Webhook call received"}'
PROBLEM = b'{"code":0,"message":"There was a problem executing the workflow"}'

WEBHOOK_EXAMPLES = [
    (*STARTING, NotRun),
    (200, JSON, b"", Answered),
    (200, JSON, TURNED_AWAY, Refused),
    (200, JSON, b'{"label":"x"}', Answered),
    (200, "application/pdf", b"%PDF-1.7 \xff\xfe\x00", Refused),
    (307, JSON, b"", Refused),
    (403, "", b"IP is not allowed to access the webhook!", Refused),
    (401, "", b"Authorization is required!", Refused),
    (404, JSON, OTHER_METHOD, NotRegistered),
    (404, JSON, UNKNOWN_PATH, NotRegistered),
    (404, HTML, CANNOT_POST, NotRun),
    (413, HTML, b"<html>Request Entity Too Large</html>", Refused),
    (429, HTML, b"slow down", MaybeRun),
    (422, JSON, b'{"code":422,"message":"Failed to parse request body"}', Refused),
    (500, JSON, b'{"message":"Error in workflow"}', MaybeRun),
    (*NO_DATABASE, NotRun),
    (524, HTML, b"<html>A timeout occurred</html>", MaybeRun),
    (500, JSON, b'{"code":0,"message":"No item to return was found"}', MaybeRun),
]

RESUME_EXAMPLES = [
    (*STARTING, Again),
    (200, HTML, b"<html><title>Sign in</title></html>", Dead),
    (200, JSON, TURNED_AWAY, Dead),
    (200, JSON, b'{"message":"Workflow was started"}', Delivered),
    (200, JSON, b"", Delivered),
    (302, HTML, b"", Dead),
    (401, JSON, b'{"error":"Invalid token"}', Dead),
    (401, "", b"Authorization is required!", Dead),
    (404, HTML, CANNOT_POST, Again),
    (404, JSON, b'{"code":404,"message":"The execution \\"9\\" does not exist."}', Finished),
    (409, JSON, RUNNING, AgainSoon),
    (409, JSON, FINISHED_BADLY, Finished),
    (409, JSON, FINISHED, Finished),
    (500, JSON, PROBLEM, AgainOnce),
    (*NO_DATABASE, Again),
    (429, HTML, b"slow down", Again),
    (502, HTML, b"<html>Bad Gateway</html>", Again),
    (403, "", b"Authorization data is wrong!", Again),
    (500, JSON, b'{"message":"Error in workflow"}', Again),
]


@pytest.mark.parametrize(
    ("row", "example"), list(enumerate(WEBHOOK_EXAMPLES)), ids=lambda part: str(part)[:60]
)
def test_each_row_of_the_webhook_table_is_the_first_that_its_example_meets(
    row: int, example: tuple[int, str, bytes, type[WebhookOutcome]]
) -> None:
    status, content_type, body, outcome = example
    answer = Answer(status, content_type, body)
    assert next(n for n, (when, _) in enumerate(WEBHOOK) if when(answer)) == row
    assert isinstance(read_webhook_answer(status, content_type, body), outcome)


@pytest.mark.parametrize(
    ("row", "example"), list(enumerate(RESUME_EXAMPLES)), ids=lambda part: str(part)[:60]
)
def test_each_row_of_the_resume_table_is_the_first_that_its_example_meets(
    row: int, example: tuple[int, str, bytes, type[ResumeOutcome]]
) -> None:
    status, content_type, body, outcome = example
    answer = Answer(status, content_type, body)
    assert next(n for n, (when, _) in enumerate(RESUME) if when(answer)) == row
    assert isinstance(read_resume_answer(status, content_type, body), outcome)


def test_no_row_is_without_an_example() -> None:
    assert (len(WEBHOOK), len(RESUME)) == (len(WEBHOOK_EXAMPLES), len(RESUME_EXAMPLES))


def test_json_that_n8n_labels_as_html_is_read_as_json() -> None:
    assert read_webhook_answer(202, HTML, b'{"executionId":"7"}') == Answered({"executionId": "7"})


def test_text_is_a_value_and_an_empty_body_says_so() -> None:
    assert read_webhook_answer(200, HTML, b"plain words") == Answered("plain words")
    assert read_webhook_answer(204, "", b"") == Answered(None, empty=True)
    assert read_webhook_answer(200, JSON, b"null") == Answered(None, empty=False)


def test_half_a_character_that_javascript_left_is_replaced() -> None:
    outcome = read_webhook_answer(200, JSON, b'{"cut":"ab\\ud83d","whole":"\\ud83d\\ude00"}')
    assert outcome == Answered({"cut": "ab\ufffd", "whole": "\N{GRINNING FACE}"})


@pytest.mark.parametrize("body", [b'{"a":NaN}', b"[" * 100_000, b"Infinity"])
def test_what_only_looks_like_json_is_text(body: bytes) -> None:
    assert read_webhook_answer(200, JSON, body) == Answered(body.decode())


def test_only_known_sentences_of_n8n_are_quoted() -> None:
    known = read_webhook_answer(403, "", b"Authorization data is wrong!")
    unknown = read_webhook_answer(403, "", b"your key k-123 is wrong")
    assert isinstance(known, Refused)
    assert "Authorization data is wrong!" in known.reason
    assert isinstance(unknown, Refused)
    assert "k-123" not in unknown.reason


def test_only_what_may_have_arrived_leaves_a_reply_in_doubt() -> None:
    def doubt(status: int, body: bytes, content_type: str = JSON) -> bool:
        outcome = read_resume_answer(status, content_type, body)
        return isinstance(outcome, Again) and outcome.unknown

    assert [doubt(status, b"<html>") for status in (500, 502, 504, 524)] == [True] * 4
    assert not doubt(*STARTING[::2], HTML)
    assert not doubt(NO_DATABASE[0], NO_DATABASE[2])
    assert not doubt(404, CANNOT_POST, HTML)
    assert not doubt(429, b"")


def test_only_trouble_of_n8n_itself_counts_against_its_origin() -> None:
    def counts(status: int, body: bytes, content_type: str = JSON) -> bool:
        outcome = read_resume_answer(status, content_type, body)
        return isinstance(outcome, Again) and outcome.is_down

    assert all(counts(status, b"<html>", HTML) for status in (408, 429, 502, 503, 504, 524))
    assert counts(*STARTING[::2], HTML)
    assert counts(404, CANNOT_POST, HTML)
    assert not any(counts(status, b"{}") for status in (200, 302, 401, 403, 404, 409, 422, 500))
    assert not counts(500, PROBLEM)


values: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Whole characters: halves of one are replaced, see above.
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
content_types = st.sampled_from([JSON, HTML, "text/plain", "", "image/png", "text/x; charset=x"])


@given(value=values, content_type=content_types, status=st.integers(200, 299))
def test_any_json_comes_out_as_it_went_in(value: Json, content_type: str, status: int) -> None:
    body = json.dumps(value).encode()
    assert read_webhook_answer(status, content_type, body) == Answered(value)


@given(status=st.integers(100, 599), content_type=st.text() | content_types, body=st.binary())
def test_every_answer_means_something_and_no_body_gets_into_a_reason(
    status: int, content_type: str, body: bytes
) -> None:
    secret = b"s3cr3t-" + body
    webhook = read_webhook_answer(status, content_type, secret)
    resume = read_resume_answer(status, content_type, secret)
    reasons = [getattr(outcome, "reason", "") for outcome in (webhook, resume)]
    assert not any("s3cr3t" in reason for reason in reasons)


@given(status=st.sampled_from([408, 429, *range(500, 600)]), body=st.binary())
def test_what_may_have_run_says_so(status: int, body: bytes) -> None:
    outcome = read_webhook_answer(status, HTML, body)
    assert isinstance(outcome, MaybeRun)
    assert "may have run" in outcome.reason


def test_a_number_comes_out_with_all_the_digits_that_n8n_sent() -> None:
    body = b'{"id":1234567890123456789,"amount":12345678901234567.89,"price":0.10,"cut":"\\ud83d"}'
    outcome = scrub_outcome(read_webhook_answer(200, JSON, body), ("a-secret-of-the-bridge",))
    assert isinstance(outcome, Answered)
    assert spell(outcome.value).startswith(
        '{"id":1234567890123456789,"amount":12345678901234567.89,"price":0.1,'
    )
