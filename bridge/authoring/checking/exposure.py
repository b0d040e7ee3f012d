"""Secrets that stand in a file for all to read, or cross a network so."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from bridge.authoring.checking.rules import ADDRESS_PLAIN, SECRET_IN_CLEAR
from bridge.configuration.findings import Finding
from bridge.configuration.raw import entries, mapping, text
from bridge.configuration.server_files import ServerFile
from bridge.configuration.short_secrets import secrets_of_senders, secrets_of_the_bridge
from bridge.formats.addresses import is_loopback
from bridge.formats.secret_names import holds_a_secret, names_a_secret

_IN_CLEAR = "is a secret in clear: put it into the environment, and write env:NAME"
_REFERENCE = re.compile(r"\$\{[^{}]*\}")
_FILLED_PARAMETER = re.compile(r"[?&#;][^?&#;=]*=\$\{[^{}]*\}")
_INSIDE = (".local", ".internal", ".lan", ".home.arpa", ".test", ".localhost", ".localdomain")


def exposed_secrets(file: ServerFile) -> Iterator[Finding]:
    """Find the secrets that a file itself holds, and those that it has sent without encryption."""
    written = file.document.value
    for place, secret in (*secrets_of_senders(written), *secrets_of_the_bridge(written)):
        if isinstance(secret, str) and secret.strip() and not _is_from_environment(secret):
            yield file.document.finding(SECRET_IN_CLEAR, place, _IN_CLEAR)
    for name, workflow in entries(written, "workflows"):
        for header, value in mapping(workflow.get("headers")).items():
            if _is_secret_in_clear(header, value):
                place = ("workflows", name, "headers", header)
                yield file.document.finding(SECRET_IN_CLEAR, place, _IN_CLEAR)
        url = _REFERENCE.sub("", _FILLED_PARAMETER.sub("", text(workflow.get("url"))))
        if holds_a_secret(url):
            said = "holds a secret in clear: send it in `auth` or `headers`, as env:NAME"
            yield file.document.finding(SECRET_IN_CLEAR, ("workflows", name, "url"), said)
    for name, workflow in entries(file.filled, "workflows"):
        if _sends_a_secret(workflow) and _is_plain(text(workflow.get("url"))):
            said = "is http:// and leads out of your network, with a secret: use https://"
            yield file.document.finding(ADDRESS_PLAIN, ("workflows", name, "url"), said)


def _is_from_environment(value: str) -> bool:
    return value.startswith("env:") or bool(_REFERENCE.search(value))


def _is_secret_in_clear(header: str, value: Any) -> bool:
    held = text(value)
    is_secret = names_a_secret(header) or holds_a_secret(held)
    return bool(held.strip()) and is_secret and not _is_from_environment(held)


def _sends_a_secret(workflow: Mapping[str, Any]) -> bool:
    headers = mapping(workflow.get("headers"))
    return bool(workflow.get("auth")) or any(map(names_a_secret, headers))


def _is_plain(url: str) -> bool:
    """Report whether an address is unencrypted and not surely within the own network."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme != "http" or is_loopback(host):
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host.rstrip(".") and not host.rstrip(".").endswith(_INSIDE)
