"""Secrets that can be guessed."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import SecretStr

from bridge.configuration.credentials import HookAuth, Token
from bridge.configuration.documents import Document
from bridge.configuration.findings import Finding
from bridge.configuration.raw import entries, mapping
from bridge.configuration.rules import SECRET_SHORT
from bridge.configuration.server_options import MetaHandshake
from bridge.configuration.variables import FromEnvironment, is_meant_for_variable

SecretPlace = tuple[str | int, ...]

CHARS_MIN = 16
"""At random, of letters and digits alone, some 95 bits: nobody guesses that over a network."""

TOO_SHORT = (
    f"is a secret of fewer than {CHARS_MIN} characters, which can be guessed: make one with "
    "`openssl rand -hex 32`"
)

_KEYS = frozenset(
    field.alias or name
    for entry in (Token, MetaHandshake, *get_args(HookAuth))
    for name, field in entry.model_fields.items()
    if field.annotation is SecretStr
)
"""What a server file calls them."""


def is_short(secret: str) -> bool:
    """Report whether a secret can be guessed; one that is not set cannot."""
    return 0 < len(secret.strip()) < CHARS_MIN


def short_in_file(document: Document, filled: Any) -> Iterator[Finding]:
    """Name the secrets of Claude's tokens and n8n's that are too short.

    What the bridge proves itself by to n8n is n8n's to judge.
    """
    for place, secret in secrets_of_senders(filled):
        held = secret.value if isinstance(secret, FromEnvironment) else secret
        # What the environment lacks stands there as it was written, and is a fault by itself.
        if isinstance(held, str) and not is_meant_for_variable(held) and is_short(held):
            yield document.finding(SECRET_SHORT, place, TOO_SHORT)


def secrets_of_senders(server: Any) -> Iterator[tuple[SecretPlace, Any]]:
    """Return what Claude's clients and n8n prove themselves by in a server file, with its place."""
    for place, secret in _secrets(("tokens",), mapping(server).get("tokens")):
        # What a token may not be at all is named as that, and no other way.
        if not (isinstance(secret, str) and isinstance(place[-1], int)):
            yield place, secret
    for name, hook in entries(server, "hooks"):
        yield from _secrets(("hooks", name, "auth"), hook.get("auth"))


def secrets_of_the_bridge(server: Any) -> Iterator[tuple[SecretPlace, Any]]:
    """Return what the bridge proves itself by in a server file, with its place."""
    for name, hook in entries(server, "hooks"):
        yield from _secrets(("hooks", name, "handshake"), hook.get("handshake"))
    for name, workflow in entries(server, "workflows"):
        yield from _secrets(("workflows", name, "auth"), workflow.get("auth"))


def secrets_of_receivers(alerts: Any) -> Iterator[tuple[SecretPlace, Any]]:
    """Return what the bridge proves itself by in a file of alerts, with its place."""
    for name, receiver in entries(alerts, "receivers"):
        yield from _secrets(("receivers", name, "auth"), receiver.get("auth"))
        yield from _secrets(
            ("receivers", name, "standard_webhooks"), receiver.get("standard_webhooks")
        )


def _secrets(place: SecretPlace, entry: Any) -> Iterator[tuple[SecretPlace, Any]]:
    if isinstance(entry, Mapping):
        for key, value in entry.items():
            yield from _secrets((*place, key), value)
    elif isinstance(entry, list):
        for index, value in enumerate(entry):
            yield from _secrets((*place, index), value)
    elif place[-1] in _KEYS or isinstance(place[-1], int):
        yield place, entry
