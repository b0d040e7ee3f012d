"""How each command that a page shows is checked without being run."""

import contextlib
import itertools
import json
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import click

import bridge.__main__  # noqa: F401 - it adds the workers' command to ours
from bridge.cli.main import LoadedLater, commands
from tests.docs.blocks import NOT_REACHED, NOT_RUN, program_of
from tests.docs.pages import ROOT

SAY_HOW = "say in tests/docs/commands_shown.py how it is checked, or in blocks.py why it is not"


def look_at(command: list[str]) -> None:
    """Check a command without running it; one that nobody knows how to check is a fault."""
    program = program_of(command)
    assert is_known(program), f"{program}: {SAY_HOW}"
    if program in LOOKS:
        LOOKS[program](command)


def is_known(program: str) -> bool:
    """Report whether it is known how commands of a program are checked, or why they are not."""
    return program in LOOKS or program in NOT_RUN


def parsed(command: list[str]) -> None:
    """Have our own command line take the arguments, where the files that they name are there."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for word in command:
            if word.endswith(".yaml"):
                Path(word).touch()
        take(commands, "n8n-bridge", command[1:])


def take(command: click.Command, name: str, arguments: list[str]) -> None:
    if not isinstance(command, click.Group):
        command.make_context(name, list(arguments))
        return
    found = command.commands[arguments[0]]
    take(found.load() if isinstance(found, LoadedLater) else found, arguments[0], arguments[1:])


def made(command: list[str]) -> None:
    targets = [word for word in command[1:] if "=" not in word]
    subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, check=True, capture_output=True)


def requested(command: list[str]) -> None:
    (address,) = [word for word in command if word.startswith("http")]
    host = urlsplit(address).hostname
    assert host == "127.0.0.1" or host in NOT_REACHED
    for flag, body in itertools.pairwise(command):
        if flag == "-d":
            json.loads(body)


def found_here(command: list[str]) -> None:
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def named_files_are_there(command: list[str]) -> None:
    files = [word for word in command[1:] if "/" in word]
    assert files
    assert all((ROOT / file).exists() for file in files)


def ready(command: list[str]) -> None:
    assert command[1] == "@modelcontextprotocol/inspector"
    assert "--method" in command


def installed(command: list[str]) -> None:
    """Look for the extras of ours that are named."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extra,) = re.findall(r"n8n-claude-bridge\[(\w+)\]", " ".join(command))
    assert extra in project["optional-dependencies"]


LOOKS: dict[str, Callable[[list[str]], None]] = {
    "cp": named_files_are_there,
    "curl": requested,
    "grep": found_here,
    "make": made,
    "n8n-bridge": parsed,
    "npx": ready,
    "pip": installed,
    "pytest": named_files_are_there,
}
"""How the commands of each program are checked."""
