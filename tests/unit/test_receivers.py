"""Receivers of webhooks: which addresses and secrets can be theirs, and how failures are named."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.net.public_http import PublicHttp, is_public
from bridge.net.receivers import (
    MessageRefusedError,
    Receiver,
    ReceiverError,
    Receivers,
    fault_of_secret,
    fault_of_url,
)
from tests.doors.receiver import NAME, SECRET, receiving
from tests.doors.receiver import Receiver as Receiving
from tests.tls import HERE


@pytest.fixture
async def receiving_there(tmp_path: Path) -> AsyncIterator[Receiving]:
    async with receiving(tmp_path) as receiver:
        yield receiver


def to(url: str) -> Receiver:
    return Receiver("sub_1", url, (SECRET,))


async def reason(http: PublicHttp, url: str) -> str:
    """Fail to post; say how that is named."""
    with pytest.raises(ReceiverError) as caught:
        await Receivers(http).post(to(url), "msg_1", {})
    return caught.value.reason


@pytest.mark.parametrize(
    "url",
    [
        "https://receiver.example",
        "https://receiver.example/",
        "https://receiver.example:8443/hooks/a%20b?who=alice&x=[1]",
        "https://receiver.example?who=alice",
    ],
)
def test_plain_https_addresses_can_be_receivers(url: str) -> None:
    assert fault_of_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://receiver.example/",
        "HTTPS://receiver.example/",
        "https://",
        "https://user@receiver.example/",
        "https://receiver.example/#x",
        "https://receiver.example/a b",
        "https://receiver.example\\@evil.example/",
        "https://receiver.example/\r\nx: y",
        "https://receiver.example:0x50/",
        "https://receiver.example:70000/",
        "https://[::1]/",
        "https://receiver.example/" + "x" * 2000,
    ],
)
def test_other_addresses_cannot(url: str) -> None:
    assert fault_of_url(url)


@pytest.mark.parametrize("length", [24, 32, 64])
def test_secrets_of_24_to_64_bytes_can_sign(length: int) -> None:
    assert fault_of_secret("whsec_" + base64_of(length)) is None


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "x" * 40, "whsec_" + "QUJD" * 7 + "Q"])
def test_what_is_no_secret_cannot(secret: str) -> None:
    assert fault_of_secret(secret)


@pytest.mark.parametrize("length", [0, 23, 65])
def test_secrets_of_other_lengths_cannot(length: int) -> None:
    assert fault_of_secret("whsec_" + base64_of(length))


def base64_of(length: int) -> str:
    return base64.b64encode(bytes(length)).decode()


async def test_statuses_are_told_by_their_class(receiving_there: Receiving) -> None:
    receiving_there.answers = [301, 404, 500]
    found = [await reason(receiving_there.http, receiving_there.url) for _ in range(3)]
    assert found == ["http_4xx", "http_4xx", "http_5xx"]


@pytest.mark.parametrize("status", [410, 413])
async def test_what_is_refused_for_good_is_told_apart(
    receiving_there: Receiving, status: int
) -> None:
    receiving_there.answers = [status]
    with pytest.raises(MessageRefusedError):
        await Receivers(receiving_there.http).post(to(receiving_there.url), "msg_1", {})


async def test_a_certificate_of_nobody_known_is_an_error_of_tls(
    receiving_there: Receiving,
) -> None:
    unknown = replace(receiving_there.http, trust=PublicHttp().trust)
    assert await reason(unknown, receiving_there.url) == "tls_error"
    assert receiving_there.messages == []


async def test_a_receiver_that_is_silent_is_not_waited_for(
    receiving_there: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.net.receivers.TIMEOUT_S", 0.2)
    receiving_there.gate.clear()
    assert await reason(receiving_there.http, receiving_there.url) == "timeout"
    receiving_there.gate.set()


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1"], ["10.0.0.1"], ["160.79.104.10", HERE]])
async def test_a_name_that_leads_into_this_network_is_not_followed(
    receiving_there: Receiving, addresses: list[str]
) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return addresses

    wary = replace(receiving_there.http, is_let=is_public, resolve=resolve)
    assert await reason(wary, receiving_there.url) == "connection_refused"
    assert receiving_there.messages == []


async def test_an_operator_may_let_an_origin_of_this_network(receiving_there: Receiving) -> None:
    wary = replace(receiving_there.http, is_let=is_public)
    origin = receiving_there.url.partition("/hooks")[0]
    receivers = Receivers(wary, frozenset({origin}))
    await receivers.post(to(receiving_there.url), "msg_1", {"eventId": "evt_1"})
    assert receiving_there.told == ["evt_1"]
    with pytest.raises(ReceiverError):
        await receivers.post(to(f"https://{NAME}:9/"), "msg_1", {})
