"""No secret that the bridge sent comes back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bridge.configuration.servers import BasicAuth, BearerAuth, HeaderAuth, Workflow, WorkflowAuth
from bridge.models import Json
from bridge.n8n.reply_address import secrets_in
from bridge.n8n.scrub import scrub, scrub_text, secrets_sent

TOKEN = "0123456789abcdef" * 4

# None of the mark's own characters, so that no secret can arise out of a mark.
letters = st.text('XYZ"\\\n\U0001f600é0', min_size=1, max_size=4)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | letters,
    lambda inner: st.lists(inner) | st.dictionaries(letters, inner),
)


def strings(value: Json) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [text for item in value for text in strings(item)]
        case dict():
            return [*value, *(text for item in value.values() for text in strings(item))]
    return []


@given(value=values, secrets=st.lists(letters))
def test_no_secret_is_left_in_any_string(value: Json, secrets: list[str]) -> None:
    left = strings(scrub(value, secrets))
    assert not any(secret in text for text in left for secret in secrets)


@given(value=values)
def test_what_holds_no_secret_stays_as_it_is(value: Json) -> None:
    assert scrub(value, ["not there", ""]) == value


@given(value=st.integers() | st.floats(allow_nan=False))
def test_numbers_are_no_strings(value: Json) -> None:
    assert scrub([value, "1"], ["1", "e", "."]) == [value, "[secret]"]


def test_a_value_may_nest_as_deep_as_json_can() -> None:
    text = "[" * 900 + '"k-1"' + "]" * 900
    assert json.dumps(scrub(json.loads(text), ["k-1"])) == text.replace("k-1", "[secret]")


def test_of_two_secrets_the_longer_is_taken_out_whole() -> None:
    assert scrub_text("Bearer abc", ["abc", "Bearer abc"]) == "[secret]"


@pytest.mark.parametrize(
    ("auth", "echo"),
    [
        (HeaderAuth(name="X-Key", value=SecretStr("k-1")), "x-key: k-1"),
        (HeaderAuth(name="Authorization", value=SecretStr("Bearer b-1")), "b-1"),
        (BearerAuth(token=SecretStr("b-1")), "authorization: Bearer b-1"),
        (BasicAuth(user="u", password=SecretStr("p-1")), "p-1"),
        (BasicAuth(user="u", password=SecretStr("p-1")), "Basic dTpwLTE="),
    ],
)
def test_a_credential_is_known_in_each_form_it_has_on_the_wire(
    auth: WorkflowAuth, echo: str
) -> None:
    workflow = Workflow(url="http://127.0.0.1/", auth=auth)
    assert scrub_text(echo, secrets_sent(workflow)).endswith("[secret]")


@pytest.mark.parametrize(
    "echo",
    [
        "{base}/callbacks/call_1?token={token}",
        "POST /callbacks/call_1?token={token}",
        "token={token}",
        "{token}",
    ],
)
def test_a_callback_address_is_known_whole_and_in_part(echo: str) -> None:
    base = "http://127.0.0.1:8080"
    workflow = Workflow(url=base)
    secrets = secrets_sent(workflow, f"{base}/callbacks/call_1?token={TOKEN}")
    assert TOKEN not in scrub_text(echo.format(base=base, token=TOKEN), secrets)


def test_the_token_is_known_in_an_address_with_its_path_behind_it() -> None:
    url = f"http://127.0.0.1/webhook-waiting/1?signature={TOKEN}/reply"
    assert scrub_text(TOKEN, secrets_in(url)) == "[secret]"


def test_an_address_without_a_query_is_no_secret() -> None:
    assert not tuple(secrets_in("http://127.0.0.1/webhook/x"))


def test_secrets_among_a_workflow_s_own_headers_are_taken_out() -> None:
    headers = {"CF-Access-Client-Secret": SecretStr("s-1"), "X-Tenant": "acme"}
    assert secrets_sent(Workflow(url="http://n8n/w", headers=headers)) == {"s-1"}
