"""`check`: server files, and the tools that they make, against the rules of MCP and of Claude."""

from collections.abc import Mapping
from pathlib import Path

from bridge.demo import MADE_UP_BY_UP
from bridge.server_files import read_server_files


def check(path: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name all that is wrong with a server file, or a folder of them, as `file:line: sentence`."""
    files = read_server_files(path, {**MADE_UP_BY_UP, **environ})
    return files.faults + files.warnings


def doubts(path: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name what is no fault and may be regretted all the same, as `file:line: sentence`."""
    return read_server_files(path, {**MADE_UP_BY_UP, **environ}).cautions
