"""The server file that discovery keeps: what n8n says goes in, what people wrote stays.

An entry is n8n's by its webhook's path. Of one that is there already only those keys follow n8n
that n8n is sure of; its name, its other keys and the comments are its author's.
"""

import difflib
import io
import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from bridge.authoring.discovery.tools import FoundTool
from bridge.authoring.drafts import draft_beside
from bridge.authoring.naming import prefix_of
from bridge.configuration.demo import as_up_sees_to
from bridge.configuration.findings import Finding
from bridge.configuration.server_files import read_server_files
from bridge.errors import ConfigurationError

ELSEWHERE = "name another with --file"
WEBHOOKS = "/webhook/"
WIDTH = 100
MADE_UP = "made-up-for-this-check-of-the-file"
_NAME = re.compile(r"^name:[ \t]*[\"']?([a-z0-9-]+)", re.MULTILINE)
HEAD = """\
# Kept by `n8n-bridge discover`: entries follow the webhooks that n8n has published. Names, comments
# and keys that n8n knows nothing of are yours. Where more than this machine can reach the bridge,
# it needs tokens: `tokens: [env:{variable}]`, or `n8n-bridge tokens add {name} …`.
name: {name}
title: {title}
description: Workflows of n8n, one tool each.
workflows: {{}}
"""


@dataclass(frozen=True)
class Change:
    """A server file as it is and as n8n would have it; `gone` names tools whose webhook is gone."""

    path: Path
    before: str
    after: str
    gone: tuple[str, ...] = ()

    @property
    def diff(self) -> str:
        """The difference, as `diff -u` writes it; empty where there is none."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            str(self.path),
            f"{self.path} (as n8n has it)",
        )
        return "".join(lines)

    def write(self) -> None:
        """Replace the file in one step: whoever reads it sees the old one or the new one.

        Its mode and its ends of lines stay, and a link goes on leading to it.

        Raises:
            ConfigurationError: it cannot be written, or its mode says that nobody may.
        """
        path = self.path.resolve()
        has_file = path.exists()
        mode = path.stat().st_mode & 0o777 if has_file else 0o666
        if not mode & 0o222:
            raise ConfigurationError((f"{path} is read-only: allow to write it, or {ELSEWHERE}",))
        line_end = "\r\n" if has_file and b"\r\n" in path.read_bytes() else "\n"
        with draft_beside(path, ELSEWHERE) as draft:
            draft.write_text(self.after, encoding="utf-8", newline=line_end)
            if has_file:
                draft.chmod(mode)
            draft.replace(path)


def read_text(path: Path) -> str:
    """Return what a server file holds; nothing where there is none.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not in UTF-8"
        raise ConfigurationError((f"{path} cannot be read: {why}; {ELSEWHERE}",)) from error


def server_in(text: str) -> str:
    """Return the name of the server that a file's text has; empty where it shows none."""
    found = _NAME.search(text)
    return found[1] if found else ""


def change_of(path: Path, server: str, tools: Iterable[FoundTool], *, prunes: bool) -> Change:
    """Return what n8n's tools change in a server file, which need not be there yet.

    Tools whose webhook n8n has no more are taken out when it `prunes`, and named in any case.

    Raises:
        ConfigurationError: the file cannot be read as a server file.
    """
    before = read_text(path)
    yaml = _yaml()
    document = _document(yaml, path, before or _head(server))
    workflows = document["workflows"]
    had = {_place(entry): name for name, entry in workflows.items()}
    is_changed, present = False, set()
    for tool in tools:
        place = _place(tool.entry)
        present.add(place)
        if place in had:
            is_changed |= _follow(workflows[had[place]], tool)
        else:
            _add(workflows, tool)
            is_changed = True
    gone = tuple(name for place, name in had.items() if place[0] and place not in present)
    if prunes and gone:
        is_changed = True
        for name in gone:
            del workflows[name]
        if not workflows:
            # The notes of the first tool belong to this key, and would end up amid an empty value.
            document.ca.items.pop("workflows", None)
            document["workflows"] = {}
    return Change(path, before, _text(yaml, document) if is_changed else before, gone)


def findings_of(
    change: Change, environ: Mapping[str, str], secrets: Iterable[str]
) -> tuple[Finding, ...]:
    """Find what `check` would say of the file that is to be written, were its secrets set."""
    known = as_up_sees_to({**dict.fromkeys(secrets, MADE_UP), **environ})
    return read_server_files(change.path, known, change.after).findings


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _head(server: str) -> str:
    title = server.replace("-", " ").replace("_", " ")
    variable = f"{prefix_of(server)}_TOKEN"
    return HEAD.format(name=server, title=json.dumps(title), variable=variable)


def _document(yaml: YAML, path: Path, text: str) -> CommentedMap:
    try:
        document = yaml.load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigurationError((f"{path}{line}: is no YAML: mend it or name another",)) from error
    if not isinstance(document, CommentedMap):
        raise ConfigurationError((f"{path}: is no server file: name another with --file",))
    if document.get("workflows") is None:
        document["workflows"] = CommentedMap()
    if not isinstance(document["workflows"], CommentedMap):
        raise ConfigurationError((f"{path}: `workflows` must be tools by their names",))
    return document


def _text(yaml: YAML, document: CommentedMap) -> str:
    written = io.StringIO()
    yaml.dump(document, written)
    return written.getvalue()


def _place(entry: object) -> tuple[str, str]:
    """Return by what an entry and a webhook are the same: path and method."""
    if not isinstance(entry, Mapping):
        return "", ""
    path = urlsplit(str(entry.get("url", ""))).path
    _, found, webhook = path.partition(WEBHOOKS)
    return (webhook if found else ""), str(entry.get("method", "POST"))


def _add(workflows: CommentedMap, tool: FoundTool) -> None:
    name, number = tool.name, 1
    while name in workflows:
        number += 1
        name = f"{tool.name}_{number}"
    if not workflows:
        workflows.fa.set_block_style()
    workflows[name] = _block(dict(tool.entry))
    lines = (line for note in tool.notes for line in textwrap.wrap(note, WIDTH - 4))
    workflows.yaml_set_comment_before_after_key(name, before="\n".join(lines), indent=2)


def _follow(entry: CommentedMap, tool: FoundTool) -> bool:
    """Bring an entry in step with what n8n is sure of; True when that changed it."""
    is_changed = False
    for key, value in tool.entry.items():
        is_said = key in tool.said or (key == "auth" and not _is_alike(entry.get(key), value))
        if is_said and entry.get(key) != value:
            entry[key] = _block(value)
            is_changed = True
    return is_changed


def _is_alike(auth: object, other: Mapping[str, Any]) -> bool:
    return isinstance(auth, Mapping) and auth.keys() == other.keys()


def _block(value: Any) -> Any:
    if isinstance(value, Mapping):
        return CommentedMap((key, _block(each)) for key, each in value.items())
    return value
