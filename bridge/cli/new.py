"""`new`: the folder of a new server, asked for on a terminal or said by options."""

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from bridge.authoring.naming import prefix_of
from bridge.authoring.scaffold.curl import read_curl
from bridge.authoring.scaffold.project import (
    KINDS,
    Kind,
    Project,
    demand_free,
    demand_name,
)
from bridge.authoring.scaffold.rendering import files_of
from bridge.authoring.scaffold.writing import write_folder
from bridge.errors import ConfigurationError

FROM_N8N: dict[str, Kind] = {"nothing, n8n goes on": "inbox", "an answer, n8n waits": "approval"}
FROM_CLAUDE: dict[str, Kind] = {
    "an answer, within seconds": "tool",
    "something long, or after minutes": "document",
}
IN_PYTHON = "Claude runs a function in Python"


@click.command("new")
@click.argument("name", required=False)
@click.option("--kind", type=click.Choice(KINDS), help="What it is for; by default a tool.")
@click.option("--from-curl", metavar="LINE", help="Make a tool of a line of curl that calls n8n.")
@click.option(
    "--into", type=click.Path(path_type=Path), help="The folder to write; by default ./NAME."
)
@click.pass_obj
def new(
    environ: Mapping[str, str],
    name: str | None,
    kind: Kind | None,
    from_curl: str | None,
    into: Path | None,
) -> None:
    """Write the folder of a new server: server file, n8n workflows, tests and all.

    On a terminal it asks for what is not given. Nothing is ever overwritten.
    """
    is_asking = sys.stdin.isatty()
    if name is None:
        if not is_asking:
            raise click.UsageError("Missing argument 'NAME'.")
        name = ask_name(environ)
    demand_name(name, environ)
    folder = place_of(into or Path(name))
    demand_free(folder)
    if from_curl is not None:
        if kind not in (None, "tool"):
            raise click.UsageError("--from-curl makes a tool: leave --kind out.")
        project = Project(name, "tool", read_curl(from_curl, prefix_of(name)))
    else:
        project = Project(name, kind or (ask_kind() if is_asking else "tool"))
    write_folder(folder, files_of(project, folder, program()))
    click.echo(farewell(project, folder))


def ask_name(environ: Mapping[str, str]) -> str:
    """Ask what it is called, until the name will do."""
    while True:
        asked = click.prompt("What is the server called? (small letters, digits, hyphens)")
        name: str = asked.strip()
        try:
            demand_name(name, environ)
        except ConfigurationError as error:
            click.echo(error.faults[0], err=True)
        else:
            return name


def ask_kind() -> Kind:
    """Ask who begins, and what comes back: together they say what kind of server it is."""
    beginnings = ["Claude runs a workflow", "n8n hands something to Claude", IN_PYTHON]
    who = choose("Who sends first?", beginnings)
    if who == IN_PYTHON:
        return "python"
    kinds = FROM_N8N if who.startswith("n8n") else FROM_CLAUDE
    return kinds[choose("What comes back?", list(kinds))]


def choose(question: str, answers: list[str]) -> str:
    """Ask for one of several answers by its number."""
    click.echo(question)
    for number, answer in enumerate(answers, start=1):
        click.echo(f"  {number}  {answer}")
    number = click.prompt("Number", type=click.IntRange(1, len(answers)), default=1)
    return answers[number - 1]


def place_of(path: Path) -> Path:
    """Return a path that services may be told: absolute, without `..` and links on the way."""
    try:
        return path.parent.resolve() / path.name if path.name else path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError((f"{path} is no place to write to: {error}",)) from None


def program() -> Path:
    """Return the command that services start: the one that runs now, or the one on the path."""
    beside = Path(sys.executable).with_name("n8n-bridge")
    found = None if beside.exists() else shutil.which("n8n-bridge")
    return Path(found or beside).absolute()


def farewell(project: Project, folder: Path) -> str:
    """Return what was written and what to do next."""
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    lines = [f"{shown} holds the server {project.name}. Next:", f"  cd {shlex.quote(str(shown))}"]
    request = project.request
    if request and request.secrets:
        lines.append(f"  put into .env what curl sent: {', '.join(request.secrets)}")
    lines.append("  n8n-bridge up")
    if request and request.was_for_tests:
        lines.append(
            "The address was the one for tests: the file has that of a published workflow."
        )
    about_n8n = "" if project.kind == "python" else ", and what to do in n8n"
    lines.append(f"README.md says how to connect Claude Code{about_n8n}.")
    return "\n".join(lines)
