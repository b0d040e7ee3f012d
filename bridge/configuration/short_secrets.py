"""Secrets that can be guessed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import SecretStr

from bridge.configuration.credentials import HookAuth, Token
from bridge.configuration.documents import Document
from bridge.configuration.findings import Finding
from bridge.configuration.rules import SECRET_SHORT
from bridge.configuration.variables import ENV_PATTERN, FromEnvironment

SecretPlace = tuple[str | int, ...]

CHARS_MIN = 16
"""At random, of letters and digits alone, some 95 bits: nobody guesses that over a network."""

TOO_SHORT = (
    f"is a secret of fewer than {CHARS_MIN} characters, which can be guessed: make one with "
    "`openssl rand -hex 32`"
)

_KEYS = frozenset(
    field.alias or name
    for entry in (Token, *get_args(HookAuth))
    for name, field in entry.model_fields.items()
    if field.annotation is SecretStr
)
"""What a server file calls them."""


def is_short(secret: str) -> bool:
    """Report whether a secret can be guessed; one that is not set cannot."""
    return 0 < len(secret.strip()) < CHARS_MIN


def short_in_file(document: Document, filled: Any) -> Iterator[Finding]:
    """Name the secrets of Claude's tokens and n8n's that are too short.

    `filled` is the document's value with the environment filled in; what in it is not as a server
    file must be is passed over. What the bridge proves itself by to n8n is n8n's to judge.
    """
    server = filled if isinstance(filled, Mapping) else {}
    hooks = server.get("hooks")
    entries: list[tuple[SecretPlace, Any]] = [(("tokens",), server.get("tokens"))]
    if isinstance(hooks, Mapping):
        entries += [
            (("hooks", name, "auth"), hook.get("auth"))
            for name, hook in hooks.items()
            if isinstance(hook, Mapping)
        ]
    for place, entry in entries:
        for at in _short(place, entry):
            yield document.finding(SECRET_SHORT, at, TOO_SHORT)


def _short(place: SecretPlace, entry: Any) -> Iterator[SecretPlace]:
    if isinstance(entry, Mapping):
        for key, value in entry.items():
            yield from _short((*place, key), value)
    elif isinstance(entry, list):
        for index, value in enumerate(entry):
            yield from _short((*place, index), value)
    elif place[-1] in _KEYS or isinstance(place[-1], int):
        text = entry.value if isinstance(entry, FromEnvironment) else entry
        # What the environment lacks stands there as it was written, and is a fault by itself.
        if isinstance(text, str) and not re.match(ENV_PATTERN, text) and is_short(text):
            yield place
