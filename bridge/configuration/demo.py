"""The demo server: its file, which ships, and its two tokens, which are made up once and kept."""

import json
import os
import secrets
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from bridge.configuration.settings import servers_dir_of
from bridge.errors import ConfigurationError
from bridge.local.data_folder import in_data_folder

NAME = "demo"
TOKEN = "BRIDGE_DEMO_TOKEN"  # noqa: S105 - the name of a variable
HOOK_TOKEN = "BRIDGE_DEMO_HOOK_TOKEN"  # noqa: S105 - the name of a variable
FILE = "demo-tokens.json"

_MADE_UP_BY_UP: Mapping[str, str] = {
    "BRIDGE_DEMO_TOKEN": "made-up-at-the-start",
    "BRIDGE_DEMO_HOOK_TOKEN": "made-up-at-the-start",
    "BRIDGE_N8N_URL": "http://127.0.0.1:5678",
}
"""Stands for what `up` sees to when it is not set: its being unset is no fault of a file."""


def as_up_sees_to(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with what `up` would make up for what is unset or empty in it."""
    made = {
        name: text for name, text in _MADE_UP_BY_UP.items() if not environ.get(name, "").strip()
    }
    return {**environ, **made}


def shipped_file() -> Path:
    """Return the demo's server file: the wheel's, or the source tree's own."""
    package = Path(str(resources.files("bridge")))
    place = Path("config", "servers", "demo.yaml")
    in_wheel = package / place
    return in_wheel if in_wheel.exists() else package.parent / place


def missing_folder(environ: Mapping[str, str]) -> Path | None:
    """Return where server files would lie, if no setting names a place and nothing is there.

    What is there but cannot be read is not missing: it is for the reader of the files to report.
    """
    if environ.get("BRIDGE_SERVERS", "").strip():
        return None
    folder = servers_dir_of(environ)
    try:
        folder.lstat()
    except FileNotFoundError:
        return folder.absolute()
    except OSError:
        return None
    return None


def with_demo(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with the demo as its server file, if it has none of its own."""
    if missing_folder(environ) is None:
        return environ
    return {**environ, "BRIDGE_SERVERS": str(shipped_file())}


def demo_tokens(data_dir: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return both tokens by variable name; what is made up stays the same from start to start."""
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
