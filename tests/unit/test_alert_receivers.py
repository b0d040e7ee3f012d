"""What receivers of alerts are sent, and which of their answers mean that they took it."""

import base64
import json

import pytest

from bridge.configuration.alerts import AlertReceiver
from bridge.formats.signatures import is_signed, key_of
from bridge.n8n.alert_receivers import fault_of, request_to
from bridge.n8n.answers import N8nAnswer

SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of a secret key").decode()


def test_an_event_is_signed_and_proves_the_bridge() -> None:
    receiver = AlertReceiver.model_validate(
        {
            "url": "http://n8n:5678/webhook/alerts",
            "auth": {"header": {"name": "X-Key", "value": "the-key"}},
            "standard_webhooks": SECRET,
            "headers": {"X-Tenant": "acme"},
        }
    )
    request = request_to(receiver, "alt_1_firing_1", {"sentence": "schön"})
    head, body = request.headers, request.read()
    assert json.loads(body) == {"sentence": "schön"}
    assert (head["x-key"], head["x-tenant"], head["webhook-id"]) == (
        "the-key",
        "acme",
        "alt_1_firing_1",
    )
    signed = (head["webhook-id"], head["webhook-timestamp"], body)
    assert is_signed(head["webhook-signature"], key_of(SECRET), *signed)
    assert "the-key" not in repr(receiver)
    assert SECRET not in repr(receiver)


def test_a_receiver_without_a_secret_is_sent_no_signature() -> None:
    request = request_to(AlertReceiver(url="http://r"), "id", {})
    assert "webhook-signature" not in request.headers
    assert "authorization" not in request.headers


PAGE = b"<!doctype html><title>Log in</title>"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"message":"Workflow was started"}', ""),
        (200, b"ok", ""),
        (204, b"", ""),
        (200, b"n8n is starting up. Please wait", "n8n is starting up"),
        (200, b'{"message":"Webhook call received"}', "the Webhook node turned it away"),
        (
            200,
            b'{"type":"error","content":"x","metadata":{"nodeName":"Tell people"}}',
            "the workflow failed while it answered",
        ),
        (200, PAGE, "it answers with a web page"),
        (302, b"", "it answers with a redirect (302)"),
        (403, b"Authorization data is wrong!", "it refuses the credential (403)"),
        (
            404,
            b'{"code":404,"message":"The requested webhook \\"POST a\\" is not registered."}',
            "the workflow is not active in n8n",
        ),
        (404, PAGE, "it answers 404"),
        (503, b"{}", "it answers 503"),
    ],
)
def test_only_what_means_that_it_was_taken_counts(status: int, body: bytes, said: str) -> None:
    fault = fault_of(N8nAnswer(status, "text/html; charset=utf-8", body))
    assert fault.startswith(said)
    assert bool(fault) == bool(said)
