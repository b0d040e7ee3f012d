"""Secrets that stand in a file for all to read, or cross a network so."""

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from bridge.authoring.checking.rules import ADDRESS_PLAIN, SECRET_IN_CLEAR
from bridge.configuration.documents import Document
from bridge.configuration.findings import Finding
from bridge.configuration.raw import entries, mapping, text, truth
from bridge.configuration.server_files import ServerFile
from bridge.configuration.short_secrets import (
    SecretPlace,
    secrets_of_receivers,
    secrets_of_senders,
    secrets_of_the_bridge,
)
from bridge.configuration.variables import is_meant_for_variable
from bridge.formats.addresses import is_loopback
from bridge.formats.secret_names import holds_a_secret, names_a_secret

_IN_CLEAR = "is a secret in clear: put it into the environment, and write env:NAME"
_REFERENCE = re.compile(r"\$\{[^{}]*\}")
_FILLED_PARAMETER = re.compile(r"[?&#;][^?&#;=]*=\$\{[^{}]*\}")
_INSIDE = (".local", ".internal", ".lan", ".home.arpa", ".test", ".localhost", ".localdomain")


def exposed_secrets(file: ServerFile) -> Iterator[Finding]:
    """Find the secrets that a file itself holds, and those that it has sent without encryption."""
    written = file.document.value
    secrets = (*secrets_of_senders(written), *secrets_of_the_bridge(written))
    yield from _in_clear(file.document, secrets)
    yield from _sent_in_clear(file.document, file.filled, "workflows")


def exposed_to_receivers(document: Document, filled: Any) -> Iterator[Finding]:
    """Find the same in a file of alerts."""
    yield from _in_clear(document, secrets_of_receivers(document.value))
    yield from _sent_in_clear(document, filled, "receivers")


def _in_clear(document: Document, secrets: Iterable[tuple[SecretPlace, Any]]) -> Iterator[Finding]:
    for place, secret in secrets:
        if isinstance(secret, str) and secret.strip() and not _is_from_environment(secret):
            yield document.finding(SECRET_IN_CLEAR, place, _IN_CLEAR)


def _sent_in_clear(document: Document, filled: Any, kind: str) -> Iterator[Finding]:
    """Find secrets in headers and addresses, and addresses that show them on their way."""
    for name, target in entries(document.value, kind):
        for header, value in mapping(target.get("headers")).items():
            if _is_secret_in_clear(header, value):
                yield document.finding(SECRET_IN_CLEAR, (kind, name, "headers", header), _IN_CLEAR)
        url = _REFERENCE.sub("", _FILLED_PARAMETER.sub("", text(target.get("url"))))
        if holds_a_secret(url):
            said = "holds a secret in clear: send it in `auth` or `headers`, as env:NAME"
            yield document.finding(SECRET_IN_CLEAR, (kind, name, "url"), said)
    tells = mapping(filled).get("caller")
    for name, target in entries(filled, kind):
        is_sent = _sends_a_secret(target) or truth(target.get("caller", tells))
        if is_sent and _is_plain(text(target.get("url"))):
            said = "is http:// and leads out of your network, with a secret: use https://"
            yield document.finding(ADDRESS_PLAIN, (kind, name, "url"), said)


def _is_from_environment(value: str) -> bool:
    return is_meant_for_variable(value) or bool(_REFERENCE.search(value))


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
