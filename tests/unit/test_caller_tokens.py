"""A token that tells who asks: only the bridge can make one, and it is known wherever it stands."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest

from bridge.auth.caller_tokens import ALGORITHM, TYPE, CallerKey
from bridge.models import Json
from bridge.n8n.outcomes import Answered, Refused, ResultFile
from bridge.n8n.scrub import scrub, scrub_outcome, scrub_text

AUDIENCE = "https://n8n.example.com"
KEY = CallerKey.made()


def token(**changes: Any) -> str:
    now = int(time.time())
    claims: dict[str, Json] = {"aud": AUDIENCE, "name": "alice", "iat": now, "exp": now + 60}
    return KEY.sign(claims | changes)


def read(given: str, key: CallerKey = KEY) -> dict[str, Any]:
    """Verify a token as a workflow would, by what the bridge publishes."""
    published = jwt.PyJWK.from_dict(key.jwk)
    claims: dict[str, Any] = jwt.decode(
        given, published, algorithms=[ALGORITHM], audience=AUDIENCE, options={"require": ["exp"]}
    )
    return claims


def part(value: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_what_it_says_is_proved_by_the_published_key() -> None:
    assert read(token())["name"] == "alice"
    pem = jwt.decode(token(), KEY.public_pem, algorithms=[ALGORITHM], audience=AUDIENCE)
    assert pem["name"] == "alice"
    assert jwt.get_unverified_header(token()) == {"typ": TYPE, "alg": "ES256", "kid": KEY.key_id}


def test_the_published_key_has_nothing_of_the_private_one() -> None:
    assert KEY.jwk.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg", "pem"}
    assert "PRIVATE" not in str(KEY.jwk)


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE"])
def test_a_token_without_a_signature_is_none(algorithm: str) -> None:
    _, claims, _ = token().split(".")
    with pytest.raises(jwt.PyJWTError):
        read(f"{part({'typ': TYPE, 'alg': algorithm, 'kid': KEY.key_id})}.{claims}.")


def test_a_token_signed_with_the_public_key_as_a_password_is_none() -> None:
    """The confusion of algorithms, RFC 8725, 2.1."""
    signed = f"{part({'typ': TYPE, 'alg': 'HS256', 'kid': KEY.key_id})}.{token().split('.')[1]}"
    digest = hmac.new(KEY.public_pem.encode(), signed.encode(), hashlib.sha256).digest()
    forged = f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    with pytest.raises(jwt.PyJWTError):
        read(forged)


def test_a_token_of_another_key_is_none() -> None:
    with pytest.raises(jwt.InvalidSignatureError):
        read(token(), CallerKey.made())


def test_a_token_whose_claims_were_changed_is_none() -> None:
    head, _, signature = token().split(".")
    with pytest.raises(jwt.InvalidSignatureError):
        read(f"{head}.{part({'aud': AUDIENCE, 'name': 'bob', 'exp': 9e9})}.{signature}")


def test_a_token_for_another_place_or_out_of_time_is_none() -> None:
    with pytest.raises(jwt.InvalidAudienceError):
        read(token(aud="https://other.example.com"))
    with pytest.raises(jwt.ExpiredSignatureError):
        read(token(exp=int(time.time()) - 1))


@pytest.mark.parametrize("key", [KEY, CallerKey.made()])
def test_a_token_of_any_key_is_taken_out_of_what_comes_back(key: CallerKey) -> None:
    given = key.sign({"name": "alice"})

    assert scrub_text(f"Bridge-Caller: {given}, sent", ()) == "Bridge-Caller: [secret], sent"
    assert scrub([{given: [f"a {given}"]}], ["k-1"]) == [{"[secret]": ["a [secret]"]}]
    file = ResultFile(f"x {given} y".encode(), "text/plain", f"{given}.txt")
    answered = scrub_outcome(Answered({"headers": {"bridge-caller": given}}, file=file), ())
    assert isinstance(answered, Answered)
    assert answered.value == {"headers": {"bridge-caller": "[secret]"}}
    assert answered.file
    assert (answered.file.content, answered.file.name) == (b"x [secret] y", "[secret].txt")
    refused = scrub_outcome(Refused(f"it said {given}", json.dumps({"t": given})), ())
    assert given not in str(refused)


def test_other_tokens_stay_as_they_are() -> None:
    other = jwt.encode({"name": "alice"}, "a password of thirty-two letters")

    assert scrub_text(other, ()) == other
    assert scrub({"token": other}, ()) == {"token": other}
