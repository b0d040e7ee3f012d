"""Signatures: what was signed is right, and nothing else is."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.auth.authentication import Proof, Sender, check_hook
from bridge.configuration.servers import Hook
from bridge.errors import UnauthorizedError
from bridge.formats import signatures

NOW_S = 1_700_000_000
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEXT = "whsec_" + base64.b64encode(b"the secret that comes after it").decode()
LATIN = st.text(st.characters(min_codepoint=33, max_codepoint=255), min_size=1, max_size=20)


def hook(*auths: Any) -> Hook:
    return Hook.model_validate({"auth": list(auths)})


def signed(
    secret: str = SECRET,
    body: bytes = b'{"test": 2432232314}',
    message_id: str = "msg_1",
    at_s: int = NOW_S,
) -> dict[str, str]:
    """Return the headers of a signed request."""
    key = signatures.key_of(secret)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": signatures.sign(key, message_id, str(at_s), body),
    }


def flip(raw: bytes, bit: int) -> bytes:
    """Turn one bit over."""
    at, place = divmod(bit % (len(raw) * 8), 8)
    return raw[:at] + bytes([raw[at] ^ 1 << place]) + raw[at + 1 :]


def test_a_signature_is_the_one_that_the_reference_library_makes() -> None:
    """The values are those of Standard Webhooks' own tests."""
    key = signatures.key_of(SECRET)

    made = signatures.sign(
        key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'
    )

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(), LATIN)
def test_what_was_signed_is_right(body: bytes, message_id: str) -> None:
    sender = Sender(signed(body=body, message_id=message_id), body, NOW_S)

    proof = check_hook(hook({"standard_webhooks": SECRET}), sender)

    assert proof == Proof(covers_headers=False, signed_id=message_id)


@given(st.binary(min_size=1), st.integers(min_value=0))
def test_one_bit_of_the_body_makes_both_kinds_wrong(body: bytes, bit: int) -> None:
    standard = Sender(signed(body=body), flip(body, bit), NOW_S)
    github = Sender(
        {"x-hub-signature-256": signatures.sign_as_github("s", body)}, flip(body, bit), NOW_S
    )

    for auth, sender in (({"standard_webhooks": SECRET}, standard), ({"github": "s"}, github)):
        with pytest.raises(UnauthorizedError, match="byte for byte"):
            check_hook(hook(auth), sender)


@given(st.sampled_from(["webhook-id", "webhook-timestamp"]), st.integers(min_value=0))
def test_one_bit_of_what_is_signed_beside_the_body_makes_it_wrong(name: str, bit: int) -> None:
    headers = signed()
    headers[name] = flip(headers[name].encode(), bit).decode("latin-1")

    with pytest.raises(UnauthorizedError):
        check_hook(
            hook({"standard_webhooks": SECRET}), Sender(headers, b'{"test": 2432232314}', NOW_S)
        )


@given(st.binary(min_size=32, max_size=32), st.integers(0, 255))
def test_one_bit_of_a_signature_makes_it_wrong(mac: bytes, bit: int) -> None:
    key = signatures.key_of(SECRET)
    right = base64.b64decode(signatures.sign(key, "a", "1", mac)[3:])
    wrong = "v1," + base64.b64encode(flip(right, bit)).decode()

    assert not signatures.is_signed(wrong, key, "a", "1", mac)


def test_any_of_several_signatures_and_secrets_will_do() -> None:
    rotating = hook({"standard_webhooks": NEXT}, {"standard_webhooks": SECRET})
    headers = signed()
    headers["webhook-signature"] = f"v1a,xyz v1,wrong {headers['webhook-signature']} v2,later"

    check_hook(rotating, Sender(headers, b'{"test": 2432232314}', NOW_S))


@pytest.mark.parametrize("off_s", [-300, 0, 300])
def test_a_clock_may_be_off_by_five_minutes(off_s: int) -> None:
    headers = signed(at_s=NOW_S + off_s)

    check_hook(hook({"standard_webhooks": SECRET}), Sender(headers, b'{"test": 2432232314}', NOW_S))


@pytest.mark.parametrize("off_s", [-301, 301, -NOW_S])
def test_a_stale_request_is_told_so(off_s: int) -> None:
    headers = signed(at_s=NOW_S + off_s)

    with pytest.raises(UnauthorizedError, match="stale"):
        check_hook(
            hook({"standard_webhooks": SECRET}), Sender(headers, b'{"test": 2432232314}', NOW_S)
        )


@pytest.mark.parametrize(
    "timestamp", ["", "soon", "1e9", "-1", "1700000000.0", "\u0661\u0667" + "\u0660" * 8, "9" * 99]
)
def test_a_moment_is_written_in_seconds(timestamp: str) -> None:
    assert not signatures.is_timely(timestamp, NOW_S)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(missing: str) -> None:
    headers = {name: value for name, value in signed().items() if name != missing}

    with pytest.raises(UnauthorizedError, match="webhook-id, webhook-timestamp, webhook-signature"):
        check_hook(hook({"standard_webhooks": SECRET}), Sender(headers, b"", NOW_S))


def test_a_github_signature_is_the_one_of_their_handbook() -> None:
    made = signatures.sign_as_github("It's a Secret to Everybody", b"Hello, World!")

    assert made == "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_a_bearer_token_beside_a_signature_covers_the_headers() -> None:
    either = hook({"standard_webhooks": SECRET}, {"bearer": "token"})
    body = b'{"test": 2432232314}'

    both = check_hook(either, Sender(signed() | {"authorization": "Bearer token"}, body, NOW_S))
    one = check_hook(either, Sender(signed(), body, NOW_S))

    assert (both.covers_headers, one.covers_headers) == (True, False)


@pytest.mark.parametrize("secret", ["whsec_", "no base64!", "whsec_abc"])
def test_a_secret_that_is_no_base64_is_a_fault_of_the_file(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        hook({"standard_webhooks": secret})


SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIG"
    b"lgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
GITHUB_SIGNATURE = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
SLACK_SIGNATURE = "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
BODY = b'{"id":"evt_1"}'


def hexed(secret: str, signed: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), signed, algorithm).hexdigest()


def based(secret: str, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()


FROM_THE_PROVIDERS: list[tuple[Any, bytes, float, Mapping[str, str]]] = [
    (
        {"github": "It's a Secret to Everybody"},
        b"Hello, World!",
        0,
        {"x-hub-signature-256": f"sha256={GITHUB_SIGNATURE}"},
    ),
    (
        {"slack": "8f742231b10e8888abcd99yyyzzz85a5"},
        SLACK_BODY,
        1531420618,
        {
            "x-slack-request-timestamp": "1531420618",
            "x-slack-signature": f"v0={SLACK_SIGNATURE}",
        },
    ),
    (
        {"svix": "whsec_plJ3nmyCDGBKInavdOK15jsl"},
        b'{"event_type":"ping","data":{"success":true}}',
        1731705121,
        {
            "svix-id": "msg_loFOjxBNrRLzqYUf",
            "svix-timestamp": "1731705121",
            "svix-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
        },
    ),
]
AS_DOCUMENTED: list[tuple[Any, bytes, float, Mapping[str, str]]] = [
    (
        {"stripe": "whsec_test"},
        BODY,
        NOW_S,
        {
            "stripe-signature": f"t={NOW_S},v1={'0' * 64},"
            f"v1={hexed('whsec_test', f'{NOW_S}.'.encode() + BODY)},v0=6ffb"
        },
    ),
    ({"shopify": "shpss"}, BODY, NOW_S, {"x-shopify-hmac-sha256": based("shpss", BODY)}),
    (
        {"hmac": {"header": "X-Sig", "secret": "s", "algorithm": "sha1", "prefix": "sha1="}},
        BODY,
        NOW_S,
        {"x-sig": "sha1=" + hexed("s", BODY, "sha1").upper()},
    ),
    (
        {
            "hmac": {
                "header": "Paddle-Signature",
                "secret": "s",
                "prefix": "h1=",
                "timestamp": "ts=",
                "signed": "{timestamp}:{body}",
                "tolerance": "5s",
            }
        },
        BODY,
        NOW_S,
        {"paddle-signature": f"ts={NOW_S};h1={hexed('s', f'{NOW_S}:'.encode() + BODY)}"},
    ),
    (
        {"hmac": {"header": "X-Sig", "secret": "s", "encoding": "base64", "timestamp": "X-At"}},
        BODY,
        NOW_S,
        {"x-at": f"{NOW_S}000", "x-sig": based("s", f"{NOW_S}000.".encode() + BODY)},
    ),
]


@pytest.mark.parametrize(
    ("auth", "body", "now_s", "headers"),
    [*FROM_THE_PROVIDERS, *AS_DOCUMENTED],
    ids=lambda part: next(iter(part)) if isinstance(part, dict) else "",
)
def test_a_provider_is_known_by_its_own_signature_and_by_nothing_else(
    auth: Any, body: bytes, now_s: float, headers: Mapping[str, str]
) -> None:
    """The first are the examples in the providers' documentation."""
    guarded = hook(auth)

    assert not check_hook(guarded, Sender(headers, body, now_s)).covers_headers
    wrong = [Sender(headers, body + b" ", now_s), Sender({}, body, now_s)]
    wrong += [Sender({**headers, name: ""}, body, now_s) for name in headers]
    if now_s and "shopify" not in auth and "sha1" not in str(auth):
        wrong += [Sender(headers, body, now_s + off) for off in (-301, 301)]
    for sender in wrong:
        with pytest.raises(UnauthorizedError):
            check_hook(guarded, sender)


@pytest.mark.parametrize("timestamp", ["", "now", "²"])
@pytest.mark.parametrize(
    ("auth", "name", "form", "said"),
    [
        ("stripe", "stripe-signature", "t={},v1=00", "t= in Stripe-Signature must be there"),
        (
            "slack",
            "x-slack-request-timestamp",
            "{}",
            "X-Slack-Request-Timestamp must be there",
        ),
    ],
)
def test_a_moment_that_is_missing_is_not_blamed_on_a_clock(
    timestamp: str, auth: str, name: str, form: str, said: str
) -> None:
    sender = Sender({name: form.format(timestamp)}, BODY, NOW_S)

    with pytest.raises(UnauthorizedError, match=said):
        check_hook(hook({auth: "a secret of this hook"}), sender)


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"stripe": "a secret of this hook"}, "Stripe-Signature"),
        ({"slack": "a secret of this hook"}, "X-Slack-Signature"),
        ({"github": "a secret of this hook"}, "X-Hub-Signature-256"),
        ({"shopify": "a secret of this hook"}, "X-Shopify-Hmac-SHA256"),
        ({"hmac": {"header": "X-Sig", "secret": "a secret of this hook"}}, "X-Sig"),
    ],
)
@pytest.mark.parametrize("body", [None, BODY])
def test_a_signature_that_is_missing_is_named_and_no_clock_is_blamed(
    auth: Any, header: str, body: bytes | None
) -> None:
    late = {"x-slack-request-timestamp": str(NOW_S - 999)}
    for headers in ({}, {header.lower(): " "}, late):
        with pytest.raises(UnauthorizedError) as caught:
            check_hook(hook(auth), Sender(headers, body, NOW_S))
        assert str(caught.value).startswith(f"{header} must be there and hold a signature")
        assert str(caught.value).endswith("is the request signed?")
        assert "clock" not in str(caught.value)


def test_an_id_that_svix_signs_is_the_key() -> None:
    auth, body, now_s, headers = FROM_THE_PROVIDERS[2]

    assert check_hook(hook(auth), Sender(headers, body, now_s)).signed_id == headers["svix-id"]


@pytest.mark.parametrize("value", ["tökén", "a token"])
def test_a_header_of_any_name_proves_the_sender(value: str) -> None:
    guarded = hook({"header": {"name": "X-Gitlab-Token", "value": value}})
    sent = value.encode().decode("latin-1")

    assert check_hook(guarded, Sender({"x-gitlab-token": sent}, b"", 0)).covers_headers
    for wrong in ({}, {"x-gitlab-token": ""}, {"x-gitlab-token": sent + "x"}):
        with pytest.raises(UnauthorizedError, match="X-Gitlab-Token"):
            check_hook(guarded, Sender(wrong, b"", 0))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"timestamp": "X-At", "signed": "{body}"}, "{timestamp}"),
        ({"signed": "{timestamp}.{body}"}, "{timestamp}"),
        ({"signed": "v1"}, "{body}"),
        ({"algorithm": "md5"}, "sha256"),
        ({"header": "X Sig"}, "header"),
        ({"timestamp": "t ="}, "timestamp"),
    ],
)
def test_a_scheme_that_proves_nothing_is_a_fault(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        hook({"hmac": {"header": "X-Sig", "secret": "s"} | wrong})
