"""`check`: server files, and the tools that they make, against the rules of MCP and of Claude."""

from collections.abc import Mapping
from pathlib import Path

from bridge.configuration.demo import MADE_UP_BY_UP
from bridge.configuration.load import is_reachable_by, short_in_settings
from bridge.configuration.server_files import ServerFiles, read_server_files


def check(path: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name all that is wrong with a server file, or a folder of them, as `file:line: sentence`."""
    files = read_server_files(path, {**MADE_UP_BY_UP, **environ})
    guessed = short_secrets(files, environ) if is_reachable_by(environ) else ()
    return files.faults + files.warnings + guessed


def doubts(path: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name what is no fault and may be regretted all the same, as `file:line: sentence`."""
    files = read_server_files(path, {**MADE_UP_BY_UP, **environ})
    doubted = files.cautions + files.unheeded
    return doubted + (() if is_reachable_by(environ) else short_secrets(files, environ))


def short_secrets(files: ServerFiles, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the secrets that can be guessed: faults where more than this machine can reach them."""
    return (*short_in_settings(environ), *files.short_secrets)
