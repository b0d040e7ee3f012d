"""Who knows a hook's secrets proves itself to it, in every way that there is."""

from typing import Any

import pytest

from bridge.auth.authentication import Sender, is_proved
from bridge.client.proofs import proof_for
from bridge.configuration.servers import Hook

NOW_S = 1_800_000_000.5
SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
BODY = b'{"a": 1}'
OF_HMAC = {"header": "X-Signature", "secret": SECRET, "algorithm": "sha512"}


@pytest.mark.parametrize(
    "auth",
    [
        {"bearer": SECRET},
        {"basic": {"user": "n8n", "password": SECRET}},
        {"header": {"name": "X-Key", "value": SECRET}},
        {"standard_webhooks": SECRET},
        {"svix": f"whsec_{SECRET}"},
        {"github": SECRET},
        {"stripe": SECRET},
        {"slack": SECRET},
        {"shopify": SECRET},
        {"hmac": {**OF_HMAC, "encoding": "base64"}},
        {"hmac": {**OF_HMAC, "timestamp": "X-Time", "signed": "{timestamp}|{body}"}},
    ],
    ids=lambda auth: next(iter(auth)),
)
def test_a_sender_that_knows_the_secret_is_let_in(auth: dict[str, Any]) -> None:
    hook = Hook.model_validate({"auth": [auth, {"bearer": "another"}]})
    proof = {name.lower(): value for name, value in proof_for(hook, BODY, NOW_S).items()}
    assert is_proved(hook, Sender(proof, BODY, NOW_S))
    assert not is_proved(hook, Sender({}, BODY, NOW_S))
