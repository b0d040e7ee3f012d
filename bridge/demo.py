"""The demo server's two tokens: from the environment, else made up once and kept."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from bridge.data_folder import in_data_folder
from bridge.errors import ConfigurationError

TOKEN = "BRIDGE_DEMO_TOKEN"  # noqa: S105 - the name of a variable
HOOK_TOKEN = "BRIDGE_DEMO_HOOK_TOKEN"  # noqa: S105 - the name of a variable
FILE = "demo-tokens.json"

MADE_UP_BY_UP: Mapping[str, str] = {
    "BRIDGE_DEMO_TOKEN": "made-up-at-the-start",
    "BRIDGE_DEMO_HOOK_TOKEN": "made-up-at-the-start",
    "BRIDGE_N8N_URL": "http://127.0.0.1:5678",
}
"""Stands for what `up` sees to when it is not set: its being unset is no fault of a file."""


def demo_tokens(data_dir: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Give both tokens by variable name; what is made up stays the same from start to start."""
    wanted = {name: environ.get(name, "") for name in (TOKEN, HOOK_TOKEN)}
    if all(wanted.values()):
        return wanted
    return kept_tokens(data_dir) | {name: token for name, token in wanted.items() if token}


def kept_tokens(data_dir: Path) -> dict[str, str]:
    """Read both tokens from `data_dir`, or make them up and keep them there for the owner only.

    Raises:
        ConfigurationError: the folder or the file cannot be used.
    """
    with in_data_folder(data_dir):
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            kept = (data_dir / FILE).read_bytes()
        except FileNotFoundError:
            tokens = {name: secrets.token_urlsafe(24) for name in (TOKEN, HOOK_TOKEN)}
            file = os.open(data_dir / FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w") as writer:
                json.dump(tokens, writer)
            return tokens
    return _tokens_in(kept, data_dir / FILE)


def _tokens_in(content: bytes, file: Path) -> dict[str, str]:
    try:
        kept = json.loads(content)
        return {name: str(kept[name]) for name in (TOKEN, HOOK_TOKEN)}
    except (ValueError, KeyError, TypeError) as error:
        fault = f"{file} does not hold the demo's tokens: remove it, and `up` makes new ones"
        raise ConfigurationError((fault,)) from error
