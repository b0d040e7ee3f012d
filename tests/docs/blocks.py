"""The blocks of code on the pages: what stands in each, and why some of it is not run."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from tests.docs.pages import ROOT, pages

CHECKED = ("sh", "yaml", "json", "python")
"""Languages whose blocks tests/docs/test_blocks.py runs, or has read by what would read them."""

SHOWN_ONLY = {
    "": "a drawing, a list of files, or settings of Redis: no program of ours reads it",
    "text": "usage lines and output, made by `make reference` or shown as it was printed",
    "lua": "a part of a step, which runs only with the rest of it: bridge/store/lua is tested",
}
"""Languages of which nothing is run, and why."""

NOT_RUN = {
    "claude": "Claude Code wants an account; `make hosts` runs it. Its addresses are looked at",
    "docker": "not where the tests run; the image is built and started by the job `image` of CI",
    "git": "it would clone this repository from the internet",
    "honcho": "it runs until it is ended; tests/deploy/test_procfile.py has it run the Procfile",
    "kubectl": "there is no cluster where the tests run; tests/deploy reads the manifests",
    "npm": "it would install from the internet; `make hosts` does so",
    "openssl": "not on every machine",
    "pipx": "nothing is published yet; `make wheel` installs and starts the wheel",
    "systemctl": "systemd runs nothing where the tests run; tests/deploy has it read the units",
    "uvx": "nothing is published yet; `make wheel` installs and starts the wheel",
}
"""Programs that are not run here, and why."""

NOT_OURS = {
    "rule_files": "Prometheus's own configuration; tests/process/test_monitoring.py runs it",
    "entryPoints": "Traefik's own configuration; `make proxies` gives it the same as options",
    "tunnel": "cloudflared's configuration, which wants an account at Cloudflare",
}
"""Kinds of YAML that other programs read, by their first key, and why these do not read it here."""

NOT_REACHED = {"api.anthropic.com": "it wants a key of Anthropic's; the body is read as JSON"}
"""Hosts that are not asked, and why."""

PLACEHOLDER = "…"
"""What stands for a value that is known only when it is run: such a command is only parsed."""

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=")


@dataclass(frozen=True)
class Block:
    """One block of code, without the indentation of the list that it may stand in."""

    page: str
    line: int
    language: str
    text: str

    @override
    def __str__(self) -> str:
        """Return where it stands."""
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages, of these languages or of any."""
    found = []
    for page in pages():
        text = (ROOT / page).read_text()
        for fence in _FENCE.finditer(text):
            indent, language, code = fence.groups()
            code = re.sub(f"^{indent}", "", code, flags=re.MULTILINE)
            found.append(Block(page, text.count("\n", 0, fence.start()) + 1, language, code))
    return [block for block in found if not languages or block.language in languages]


def is_of_settings(block: Block) -> bool:
    """Report whether a block of shell is lines for a `.env` file."""
    lines = [line for line in block.text.splitlines() if line and not line.startswith("#")]
    return all(_ASSIGNMENT.match(line) for line in lines)


def simple_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each simple command of a script, those within `sh -c` included."""
    for line in _logical_lines(text):
        words: list[str] = []
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        for word in [*lexer, ";"]:
            if set(word) <= set(";&|()"):
                yield from _command(words)
                words = []
            else:
                words.append(word)


def _command(words: list[str]) -> Iterator[list[str]]:
    while words and (words[0] in {"do", "then", "export", "until", "exec"} or _is_set(words[0])):
        words = words[1:]
    if words and words[0] not in {"cd", "done", "for", "sh", "sleep"}:
        yield words
    if "sh" in words:
        yield from simple_commands(words[words.index("-c") + 1])


def _is_set(word: str) -> bool:
    return _ASSIGNMENT.match(word) is not None


def _logical_lines(text: str) -> Iterator[str]:
    """Yield the lines of a script, joined where a quote or a backslash goes on to the next."""
    pending = ""
    for line in text.splitlines():
        pending += line
        try:
            shlex.split(pending, comments=True)
        except ValueError:
            pending = pending.removesuffix("\\") if pending.endswith("\\") else f"{pending}\n"
            continue
        yield pending
        pending = ""
    assert not pending, f"a quote is not closed: {pending}"


def program_of(command: list[str]) -> str:
    """Return the name of the program that a command runs."""
    return Path(command[0]).name
