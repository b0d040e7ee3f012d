"""Hosts, origins and web addresses: which texts are one."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")

DEFAULT_PORTS = {"http": 80, "https": 443}

Network = IPv4Network | IPv6Network


def is_loopback(host: str) -> bool:
    """Report whether only this machine can reach `host`, a name or an address without a port."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def is_host(text: str) -> bool:
    """Report whether `text` is a host, with or without a port, and nothing else."""
    return _HOST.fullmatch(text) is not None


def host(text: str) -> str:
    """Return `text` in small letters if it is a host, with or without a port.

    Raises:
        ValueError: it is not.
    """
    if not is_host(text):
        raise ValueError("must be a host, with a port if need be, such as bridge.example.com:8080")
    return text.lower()


def origin(text: str) -> str:
    """Return `text` in small letters if it is a scheme, a host and perhaps a port, and no more.

    Raises:
        ValueError: it is not.
    """
    parts = web_address(text)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be an origin, such as https://n8n.example.com, without a path")
    return f"{parts.scheme}://{parts.netloc}".lower()


def network(text: str) -> Network:
    """Return the network, or the single address, that `text` names.

    Raises:
        ValueError: it names none.
    """
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must be addresses or networks, such as 127.0.0.1, 10.0.0.0/8") from None


def web_address(text: str) -> SplitResult:
    """Take apart an http or https address that names a host and holds no password.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"https?://[!-~]+", text):
        raise ValueError("must start with http:// or https:// and have no blanks")
    parts = _split(text)
    if parts is None or not parts.hostname or parts.port == 0:
        raise ValueError("must name a host, and if it names a port, one from 1 to 65535")
    if "@" in parts.netloc:
        raise ValueError("must hold no user or password before its host")
    return parts


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for one that is no number or above 65535
    except ValueError:
        # Its text would repeat what follows the colon, which may be a password.
        return None
    return parts
