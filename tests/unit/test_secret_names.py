"""What is told of a sender holds no secret of its own, by its name or by what it looks like."""

import base64
import time

import pytest

from bridge.formats.secret_names import holds_a_secret, names_a_secret

BASIC = base64.b64encode(b"ann:pw").decode()
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP"


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "access_token",
        "accessToken",
        "id-token",
        "code",
        "auth_code",
        "device_code",
        "sig",
        "signature",
        "X-Amz-Signature",
        "sign",
        "key",
        "api_key",
        "apikey",
        "apiKey",
        "X-Functions-Key",
        "Ocp-Apim-Subscription-Key",
        "consumer_key",
        "jwt",
        "auth",
        "password",
        "pwd",
        "pass",
        "otp",
        "code_verifier",
        "client_secret",
        "client_assertion",
        "PHPSESSID",
        "jsessionid",
        "Cookie",
        "Authorization",
        "X-Goog-Credential",
        "SAMLResponse",
        "hub.verify_token",
    ],
)
def test_a_name_that_says_secret_is_known(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "q",
        "page",
        "issue_key",
        "project-key",
        "idempotency-key",
        "country_code",
        "status_code",
        "zipcode",
        "X-GitHub-Event",
        "design",
        "signal",
        "keyword",
        "keys",
        "author",
        "state",
        "id",
        "event",
        "monkey",
        "pinned",
        "passage",
        "session_id",
    ],
)
def test_a_name_that_says_nothing_of_the_kind_is_left(name: str) -> None:
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    "text",
    [
        "Bearer t0p",
        "bearer  abc",
        "Bearer%20abc",
        f"Basic {BASIC}",
        f"basic {BASIC.rstrip('=')}",
        "send it with Authorization: Bearer abc123def",
        JWT,
        f"see {JWT}, please",
        "https://me:pw@a.example/",
        "https://a.example/?x=1&access_token=y",
        "https://a.example/cb#access_token=y",
        "https%3A%2F%2Fa.example%2F%3Fcode%3Dy",
        "https%253A%252F%252Fa.example%252F%253Fcode%253Dy",
        "token=abc",
        '{"password": "x"}',
    ],
)
def test_a_value_that_carries_a_credential_is_known(text: str) -> None:
    assert holds_a_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "push",
        "basic understanding of physics",
        "the bearer of good news",
        "me@example.com",
        "https://a.example/?x=1&page=2#top",
        "a=b",
        "100% sure",
        '{"a": "password"}',
        "which token?",
        "application/json; charset=utf-8",
    ],
)
def test_any_other_value_is_left(text: str) -> None:
    assert not holds_a_secret(text)


@pytest.mark.parametrize("text", ["eyJ-", "eyJ.", "bearer ", "basic ", "a=", '"', "://", "%25"])
def test_no_value_takes_long_to_look_at(text: str) -> None:
    value = text * (65_536 // len(text))
    began_at = time.process_time()

    holds_a_secret(value)

    assert time.process_time() - began_at < 0.5
