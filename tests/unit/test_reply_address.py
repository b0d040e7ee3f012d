"""Replies go to n8n's resume addresses; every way around that is shut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.configuration.settings import Settings
from bridge.errors import InvalidError
from bridge.n8n.reply_address import ReplyAddresses

N8N = "http://n8n:5678"
ADDRESSES = ReplyAddresses.of(
    Settings(
        n8n_url=N8N,
        reply_origins=("https://hooks.example.com", "http://127.0.0.1:5678"),
        reply_paths=("/webhook-waiting/", "/n8n/webhook-waiting/"),
    )
)

ALLOWED = [
    f"{N8N}/webhook-waiting/231",
    f"{N8N}/webhook-waiting/231/reply-1?signature=ab%2Fcd&x=%2e%2e",
    f"{N8N}/n8n/webhook-waiting/231",
    "HTTP://N8N:5678/webhook-waiting/231",
    "https://hooks.example.com/webhook-waiting/231",
    "https://hooks.example.com:443/webhook-waiting/231",
    "HTTPS://HOOKS.EXAMPLE.COM/webhook-waiting/231",
    "http://127.0.0.1:5678/webhook-waiting/231",
    f"{N8N}/webhook-waiting/a%20b",
    f"{N8N}/webhook-waiting/231?next=http://evil.example/",
    f"{N8N}/webhook-waiting/231?a=..",
]

OTHER_ORIGIN = [
    "http://evil.example/webhook-waiting/1",
    "http://n8n/webhook-waiting/1",
    "http://n8n:80/webhook-waiting/1",
    "http://n8n:0/webhook-waiting/1",
    "http://n8n:05679/webhook-waiting/1",
    "https://n8n:5678/webhook-waiting/1",
    "http://hooks.example.com/webhook-waiting/1",
    "https://hooks.example.com:80/webhook-waiting/1",
    "https://hooks.example.com:0/webhook-waiting/1",
    "https://hooks.example.com./webhook-waiting/1",
    "https://hooks.example.com.evil.example/webhook-waiting/1",
    "https://evil.example/webhook-waiting/1?https://hooks.example.com/webhook-waiting/1",
    "http://[::ffff:127.0.0.1]:5678/webhook-waiting/1",
    "http://[::1]:5678/webhook-waiting/1",
    "http://127.1:5678/webhook-waiting/1",
    "http://0x7f000001:5678/webhook-waiting/1",
    "http://2130706433:5678/webhook-waiting/1",
    "http://017700000001:5678/webhook-waiting/1",
    "http://localhost:5678/webhook-waiting/1",
    "http://169.254.169.254/webhook-waiting/1",
    "http://%6e8n:5678/webhook-waiting/1",
    "http://n8n%00.evil.example:5678/webhook-waiting/1",
    "http://n8n%2eevil.example:5678/webhook-waiting/1",
]

USER_INFO = [
    "http://n8n:5678@evil.example/webhook-waiting/1",
    "http://user@n8n:5678/webhook-waiting/1",
    "http://user:secret@n8n:5678/webhook-waiting/1",
    "http://@n8n:5678/webhook-waiting/1",
    "http://:@n8n:5678/webhook-waiting/1",
    "http://evil.example%40n8n:5678@n8n:5678/webhook-waiting/1",
]

NO_ADDRESS = [
    "/webhook-waiting/1",
    "//n8n:5678/webhook-waiting/1",
    "n8n:5678/webhook-waiting/1",
    "http:/webhook-waiting/1",
    "http:n8n:5678/webhook-waiting/1",
    "http:///webhook-waiting/1",
    "http://:5678/webhook-waiting/1",
    "file:///etc/passwd",
    "file://n8n:5678/webhook-waiting/1",
    "ftp://n8n:5678/webhook-waiting/1",
    "gopher://n8n:5678/webhook-waiting/1",
    "unix://n8n:5678/webhook-waiting/1",
    "javascript:alert(1)",
    "ws://n8n:5678/webhook-waiting/1",
    f"{N8N}/webhook-waiting/1#x",
    f"{N8N}/webhook-waiting/1#",
    f"{N8N}#/webhook-waiting/1",
    f"{N8N}\\@evil.example/webhook-waiting/1",
    f"{N8N}/webhook-waiting\\..\\rest",
    f"{N8N}/webhook-waiting/1\\",
    "http:\\\\n8n:5678/webhook-waiting/1",
    f" {N8N}/webhook-waiting/1",
    f"{N8N}/webhook-waiting/1 ",
    f"{N8N}/webhook-waiting/a b",
    f"{N8N}/webhook-waiting/1\r\nHost: evil.example",
    f"{N8N}/webhook-waiting/1\0",
    f"{N8N}/webhook-waiting/\t1",
    f"{N8N}/webhook-waiting/é",
    "http://n8n。evil.example/webhook-waiting/1",
    "http://ｎ８ｎ:5678/webhook-waiting/1",  # noqa: RUF001 - look-alikes are the attack
    "http://n8n:56789999/webhook-waiting/1",
    "http://n8n:-1/webhook-waiting/1",
    "http://n8n:x/webhook-waiting/1",
    "http://[::1/webhook-waiting/1",
    "http://n8n]:5678/webhook-waiting/1",
    "x" * 100_000,
]

OTHER_PATH = [
    N8N,
    f"{N8N}/",
    f"{N8N}/webhook-waiting",
    f"{N8N}?/webhook-waiting/1",
    f"{N8N}/webhook/1",
    f"{N8N}/rest/workflows",
    f"{N8N}/Webhook-Waiting/1",
    f"{N8N}//webhook-waiting/1",
    f"{N8N}/%77ebhook-waiting/1",
    f"{N8N}/webhook-waiting%2f1",
    f"{N8N}/webhook-waiting/../rest",
    f"{N8N}/webhook-waiting/1/..",
    f"{N8N}/webhook-waiting/./1",
    f"{N8N}/webhook-waiting/%2e%2e/rest",
    f"{N8N}/webhook-waiting/%2E%2e/rest",
    f"{N8N}/webhook-waiting/.%2e/rest",
    f"{N8N}/webhook-waiting/%252e%252e/rest",
    f"{N8N}/webhook-waiting/..%2frest",
    f"{N8N}/webhook-waiting/..%252frest",
    f"{N8N}/webhook-waiting/..%5crest",
    f"{N8N}/webhook-waiting/%2e%2e%5crest",
    f"{N8N}/webhook-waiting/a/%2e/b",
]


def refusal(url: str, addresses: ReplyAddresses = ADDRESSES) -> str:
    with pytest.raises(InvalidError) as caught:
        addresses.check(url)
    return str(caught.value)


@pytest.mark.parametrize("url", ALLOWED)
def test_a_resume_address_of_n8n_is_accepted(url: str) -> None:
    ADDRESSES.check(url)


@pytest.mark.parametrize("url", OTHER_ORIGIN)
def test_another_origin_is_refused_and_named_with_the_setting_to_change(url: str) -> None:
    said = refusal(url)
    assert "BRIDGE_N8N_URL" in said
    assert "BRIDGE_REPLY_ORIGINS" in said
    assert "://" in said


@pytest.mark.parametrize(
    "url",
    [
        "http://{{$execution.resumeUrl}}",
        "http://$execution.resumeUrl/reply",
        "http://http://n8n:5678/webhook-waiting/1",
        "http://:5678/webhook-waiting/1",
        "http://n8n:0/webhook-waiting/1",
        "http://n8n:x/webhook-waiting/1",
        "http://n8n:99999/webhook-waiting/1",
        "http://[::1/webhook-waiting/1",
        "http://a%20b/webhook-waiting/1",
        "http://<n8n>/webhook-waiting/1",
        "http://[object",
    ],
)
def test_what_names_no_host_is_not_told_to_be_let_in(url: str) -> None:
    said = refusal(url)
    assert "is no web address" in said
    assert "add " not in said
    assert ("begin the field with `=`" in said) == ("{{" in url)


@pytest.mark.parametrize("url", USER_INFO)
def test_an_address_with_a_user_in_it_is_refused(url: str) -> None:
    assert "user name" in refusal(url)


@pytest.mark.parametrize("url", NO_ADDRESS, ids=lambda url: ascii(url[:40]))
def test_what_is_no_plain_http_address_is_refused(url: str) -> None:
    assert "the reply address is refused" in refusal(url)


@pytest.mark.parametrize("url", OTHER_PATH)
def test_a_path_elsewhere_is_refused_with_the_setting_to_change(url: str) -> None:
    assert "BRIDGE_REPLY_PATHS" in refusal(url)


@pytest.mark.parametrize(
    "url", [*OTHER_ORIGIN, *USER_INFO, *NO_ADDRESS, *OTHER_PATH], ids=lambda url: ascii(url[:40])
)
def test_a_refusal_repeats_nothing_that_may_be_secret(url: str) -> None:
    said = refusal(f"{url}{'&' if '?' in url else '?'}token=s3cret")

    assert "s3cret" not in said


def test_without_an_n8n_no_address_is_accepted() -> None:
    nowhere = ReplyAddresses.of(Settings())

    assert "BRIDGE_N8N_URL" in refusal(f"{N8N}/webhook-waiting/1", nowhere)


@given(st.text())
def test_any_text_is_accepted_or_refused_and_never_crashes(text: str) -> None:
    for url in (text, f"http://{text}", f"{N8N}/webhook-waiting/{text}"):
        try:
            ADDRESSES.check(url)
        except InvalidError as error:
            assert error.faults  # noqa: PT017 - either way is right


def test_an_expression_that_n8n_did_not_fill_in_is_told_as_such() -> None:
    with pytest.raises(InvalidError, match="begin the field with `=`"):
        ADDRESSES.check("{{ $execution.resumeUrl }}")
