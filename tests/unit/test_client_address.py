"""Whose address a request counts as coming from."""

import pytest
from starlette.datastructures import Headers

from bridge.formats.addresses import network
from bridge.net.client_address import TrustedProxies

PROXIES = TrustedProxies((network("127.0.0.1"), network("10.0.0.0/8"), network("fd00::/8")))
FOR, REAL, FORWARDED = "x-forwarded-for", "x-real-ip", "forwarded"


@pytest.mark.parametrize(
    ("told", "clients"),
    [
        ({}, ("127.0.0.1",)),
        ({FOR: "9.9.9.9"}, ("9.9.9.9",)),
        ({FOR: "1.1.1.1, 9.9.9.9, 10.1.2.3"}, ("9.9.9.9",)),
        ({FOR: "9.9.9.9:4711"}, ("9.9.9.9",)),
        ({FOR: "10.0.0.9, 10.0.0.8"}, ("10.0.0.9",)),
        ({FOR: "9.9.9.9, unknown"}, ("127.0.0.1",)),
        ({FOR: "9.9.9.9, junk, 10.0.0.7"}, ("10.0.0.7",)),
        ({FOR: "2001:db8::1"}, ("2001:db8::/64",)),
        ({FOR: "[2001:db8::1]:443"}, ("2001:db8::/64",)),
        ({FOR: "::ffff:9.9.9.9"}, ("9.9.9.9",)),
        ({REAL: "9.9.9.9"}, ("9.9.9.9",)),
        ({FORWARDED: "for=1.1.1.1, for=9.9.9.9;proto=https;by=10.0.0.1"}, ("9.9.9.9",)),
        ({FORWARDED: 'proto=http;For="[2001:db8::1]:80"'}, ("2001:db8::/64",)),
        ({FORWARDED: "for=_hidden"}, ("127.0.0.1",)),
    ],
)
def test_a_trusted_proxy_says_whom_it_heard(told: dict[str, str], clients: tuple[str, ...]) -> None:
    assert PROXIES.clients("127.0.0.1", Headers(told)) == clients


def test_several_headers_of_one_name_are_one_list() -> None:
    told = Headers(raw=[(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-for", b"9.9.9.9")])
    assert PROXIES.clients("10.0.0.1", told) == ("9.9.9.9",)


def test_nobody_else_is_heard() -> None:
    told = Headers({FOR: "1.1.1.1", REAL: "1.1.1.1", FORWARDED: "for=1.1.1.1"})
    assert PROXIES.clients("8.8.8.8", told) == ("8.8.8.8",)
    assert TrustedProxies().clients("127.0.0.1", told) == ("127.0.0.1",)


def test_a_header_that_the_proxy_passed_on_as_it_came_hides_nothing() -> None:
    for number in range(3):
        told = Headers({FOR: f"1.1.1.{number}", REAL: "9.9.9.9"})
        assert "9.9.9.9" in PROXIES.clients("127.0.0.1", told)


def test_one_household_counts_as_one() -> None:
    told = [Headers({FOR: f"2001:db8::{number:x}"}) for number in range(1, 9)]
    assert len({PROXIES.clients("127.0.0.1", each) for each in told}) == 1


def test_what_is_no_address_is_one_nobody() -> None:
    assert PROXIES.clients(None, Headers()) == PROXIES.clients("testclient", Headers())
