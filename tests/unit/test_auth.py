"""Who asks: the right token names its principal, anything else names nobody."""

import base64
from typing import Any

import pytest

from bridge.auth.authentication import Proof, Sender, bearer, check_hook, owner_of
from bridge.configuration.servers import Hook, Server
from bridge.errors import UnauthorizedError
from bridge.models import Principal

WRONG = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Bearer wrong",
    "Bearer token-",
    "Bearer token-ax",
    "Bearer TOKEN-A",
    "Basic token-a",
    "token-a",
    "Bearer: token-a",
    "Bearer token-a, Bearer token-b",
    "Bearer tökén-a",
    "Bearer token-a\0",
]


def sender(authorization: str | None) -> Sender:
    headers = {} if authorization is None else {"authorization": authorization}
    return Sender(headers, b"", 0)


def server(*tokens: tuple[str, str]) -> Server:
    listed = [{"name": name, "token": value} for name, value in tokens]
    return Server.model_validate({"name": "support", "tokens": listed})


def hook(*auths: dict[str, Any]) -> Hook:
    return Hook.model_validate({"auth": list(auths)})


@pytest.mark.parametrize("authorization", ["Bearer token-a", "bearer token-a", "BEARER  token-a "])
def test_a_token_names_its_principal(authorization: str) -> None:
    guarded = server(("alice", "token-a"), ("bob", "token-b"))

    assert owner_of(guarded, bearer(authorization)) == Principal("support", "alice")


def test_tokens_of_one_name_are_one_principal() -> None:
    rotating = server(("alice", "old"), ("alice", "new"), ("bob", "other"))

    assert owner_of(rotating, "old") == owner_of(rotating, "new")
    assert owner_of(rotating, "other") == Principal("support", "bob")


@pytest.mark.parametrize("authorization", WRONG, ids=ascii)
def test_a_wrong_token_is_nobodys(authorization: str | None) -> None:
    assert owner_of(server(("alice", "token-a")), bearer(authorization)) is None


def test_a_server_without_tokens_knows_nobody() -> None:
    assert owner_of(server(), "") is None
    assert owner_of(server(), "anything") is None


def test_any_credential_of_a_hook_opens_it() -> None:
    rotating = hook({"bearer": "old"}, {"bearer": "new"})

    check_hook(rotating, sender("Bearer old"))
    check_hook(rotating, sender("Bearer new"))


@pytest.mark.parametrize("authorization", WRONG, ids=ascii)
def test_a_hook_stays_shut_to_a_wrong_credential(authorization: str | None) -> None:
    with pytest.raises(UnauthorizedError):
        check_hook(hook({"bearer": "token-a"}), sender(authorization))


@pytest.mark.parametrize(
    "auth",
    [
        {"bearer": "s3cret"},
        {"basic": {"user": "n8n", "password": "s3cret"}},
        {"header": {"name": "x-token", "value": "s3cret"}},
        {"github": "s3cret"},
    ],
    ids=lambda auth: next(iter(auth)),
)
def test_what_proves_a_sender_is_known_as_a_secret(auth: dict[str, Any]) -> None:
    assert hook(auth, {"bearer": "other"}).secrets == ("s3cret", "other")


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def test_a_user_and_password_open_a_hook() -> None:
    guarded = hook({"basic": {"user": "n8n", "password": "pä:ss"}})

    assert check_hook(guarded, sender(basic("n8n:pä:ss"))) == Proof(covers_headers=True)


@pytest.mark.parametrize(
    "authorization",
    [
        basic("n8n:"),
        basic("n8n"),
        basic("other:pass"),
        basic("n8n:pass "),
        "Basic",
        "Basic ß",
        None,
    ],
)
def test_a_wrong_user_or_password_does_not(authorization: str | None) -> None:
    with pytest.raises(UnauthorizedError, match="Basic"):
        check_hook(hook({"basic": {"user": "n8n", "password": "pass"}}), sender(authorization))


@pytest.mark.parametrize("authorization", [None, "", "Bearer ", "Bearer x"])
def test_a_hook_without_a_bearer_token_is_not_open_to_an_empty_one(
    authorization: str | None,
) -> None:
    with pytest.raises(UnauthorizedError):
        check_hook(hook({"basic": {"user": "u", "password": "p"}}), sender(authorization))


def test_a_token_is_read_out_of_its_header() -> None:
    assert bearer("Bearer a b") == "a b"
    assert bearer("Digest a") == ""
    assert bearer(None) == ""
