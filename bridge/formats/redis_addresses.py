"""Addresses of Redis: of one server, or of the Sentinels that know which server is the primary."""

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

_USERINFO = r"(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?"
"""Source: RFC 3986, 3.2.1, for what may stand before the host as it is."""

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?"
_SERVER = re.compile(
    rf"rediss?://{_USERINFO}{_HOST}(?:/[0-9]*)?(?:\?[^\s#]*)?"
    rf"|unix://{_USERINFO}/[^\s#?@]+(?:\?[^\s#]*)?"
)
_SENTINELS = re.compile(
    rf"(?P<scheme>rediss?)\+sentinel://(?P<user>{_USERINFO})(?P<hosts>{_HOST}(?:,{_HOST})*)"
    r"/(?P<name>[A-Za-z0-9._-]+)(?:/(?P<database>[0-9]*))?(?:\?(?P<options>[^\s#]*))?"
)
SCHEMES = ("redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://")
SENTINEL_PORT = 26379
_OWN = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True)
class SentinelAddress:
    """What the Sentinels call a primary, and the addresses of each of them and of any server.

    The host in `server_url` stands for whichever server is the primary.
    """

    name: str
    sentinel_urls: tuple[str, ...] = field(repr=False)
    server_url: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Self | None:
        """Take an address apart; None for one that names no Sentinels."""
        found = _SENTINELS.fullmatch(text)
        if found is None:
            return None
        options = parse_qsl(found["options"] or "", keep_blank_values=True)
        for_servers = urlencode([each for each in options if each[0] not in _OWN])
        for_sentinels = urlencode([each for each in options if each[0].startswith("ssl_")])
        own = {name: quote(value, safe="") for name, value in options if name in _OWN}
        user = ":".join(own.get(name, "") for name in _OWN) + "@" if own else ""
        scheme, hosts = found["scheme"], found["hosts"].split(",")
        return cls(
            found["name"],
            tuple(f"{scheme}://{user}{_with_port(host)}?{for_sentinels}" for host in hosts),
            f"{scheme}://{found['user']}{hosts[0]}/{found['database'] or 0}?{for_servers}",
        )


def redis_address(text: str) -> str:
    """Return the address of a Redis whose parts are where they seem to be.

    Raises:
        ValueError: a user or password holds what ends it early, or the rest is no address.
    """
    if not text.startswith(SCHEMES):
        raise ValueError(f"must start with one of {', '.join(SCHEMES)}")
    if "+sentinel://" in text:
        return _sentinel_address(text)
    if not _SERVER.fullmatch(text) or not _has_ports(text):
        raise ValueError(
            "must read redis://USER:PASSWORD@HOST:PORT/NUMBER (or unix://USER:PASSWORD@/PATH), "
            f"{_ENCODED}"
        )
    return text


_ENCODED = (
    "with all but letters and digits of the user and the password percent-encoded "
    "(@ as %40, / as %2F, # as %23, % as %25)"
)


def _sentinel_address(text: str) -> str:
    found = _SENTINELS.fullmatch(text)
    if not found or not all(_has_ports(f"//{host}") for host in found["hosts"].split(",")):
        raise ValueError(
            "must read redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME/NUMBER, where NAME "
            "is what the Sentinels call the primary and the hosts are theirs, "
            f"{_ENCODED}"
        )
    return text


def _has_ports(text: str) -> bool:
    """Report whether the port, if one is named, is one; an error would repeat a password."""
    try:
        return urlsplit(text).port != 0
    except ValueError:
        return False


def _with_port(host: str) -> str:
    return host if urlsplit(f"//{host}").port else f"{host}:{SENTINEL_PORT}"
