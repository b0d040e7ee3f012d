"""The files of a new server, made from the templates that ship.

Nothing is escaped by itself (`autoescape` is for HTML, and would make `&quot;` of a quotation mark
in YAML, JSON and JavaScript): whatever is no constant of ours goes through the filter of its
format. A name that a template uses and nobody gives is an error, never an empty text.
"""

import json
import secrets
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from bridge.authoring.scaffold.project import Kind, Project
from bridge.schemas.examples import example_of

SUFFIX = ".j2"
SECRET_BYTES = 24
_WIDE = 10_000
_SUMMARIES: dict[Kind, str] = {
    "inbox": "n8n hands messages over; Claude takes them, one after the other.",
    "tool": "Claude runs a workflow of n8n and gets its answer.",
    "approval": "A workflow of n8n stands still until Claude has said yes or no.",
    "document": "n8n hands long documents over, and Claude runs a workflow that takes minutes.",
    "python": "Claude runs a function in Python.",
}
_SENT: dict[Kind, str] = {
    "inbox": "={{ JSON.stringify({ text: $json.body.text }) }}",
    "approval": "={{ JSON.stringify({ request: $json.body.request }) }}",
    "document": "={{ JSON.stringify({ title: $json.body.title, text: $json.body.text }) }}",
}
"""What n8n sends on the hook, which is n8n's own expression."""
_EXAMPLES: dict[Kind, dict[str, str]] = {
    "inbox": {"text": "hello"},
    "approval": {"request": "May I delete the old backups?"},
    "document": {"title": "A letter", "text": "Dear all"},
}
"""What may be sent on the hook for a try."""

_OURS = uuid.UUID("5b3f6d0e-2f0e-5a55-9d0c-6d2f3b6f0b6a")


def files_of(project: Project, folder: Path, program: Path) -> dict[PurePosixPath, str]:
    """Return every file of a project by its path within `folder`, where it will lie.

    `program` is the `n8n-bridge` that services start.
    """
    templates = _templates()
    variables = _variables(project, folder, program)
    return {
        _path(template, project): templates.get_template(template).render(variables)
        for template in _names(templates, project)
    }


def _templates() -> Environment:
    # n8n's expressions and JavaScript are full of the braces that Jinja2 has by default.
    templates = Environment(
        loader=PackageLoader("bridge.authoring.scaffold"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - no HTML is made: the docstring says how it is quoted
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= {
        "yaml": as_yaml,
        "yaml_block": as_yaml_block,
        "json": as_json,
        "python": repr,
        "systemd": as_systemd,
    }
    return templates


def _names(templates: Environment, project: Project) -> Iterator[str]:
    kind = "from_curl" if project.request else project.kind
    for name in templates.list_templates(extensions=["j2"]):
        if name.partition("/")[0] in ("common", kind):
            yield name


def _path(template: str, project: Project) -> PurePosixPath:
    named = template.partition("/")[2].removesuffix(SUFFIX)
    named = named.replace("NAME", project.name).replace("TOOL", project.tool)
    named = named.replace("MODULE", project.module)
    parts = (part.replace("dot_", ".", 1) if part.startswith("dot_") else part
             for part in named.split("/"))  # fmt: skip
    return PurePosixPath(*parts)


def _variables(project: Project, folder: Path, program: Path) -> dict[str, Any]:
    return {
        "name": project.name,
        "title": project.title,
        "tool": project.tool,
        "kind": project.kind,
        "module": project.module,
        "prefix": project.prefix,
        "request": project.request,
        "arguments": example_of(project.request.input) if project.request else {},
        "summary": "Claude runs a workflow of n8n that is there already."
        if project.request
        else _SUMMARIES[project.kind],
        "sent": _SENT.get(project.kind, ""),
        "example": _EXAMPLES.get(project.kind),
        "has_hook": project.kind not in ("tool", "python"),
        "has_tool": project.kind in ("tool", "document"),
        "folder": folder,
        "program": program,
        "secret": lambda: secrets.token_hex(SECRET_BYTES),
        "workflow_id": lambda part: uuid.uuid5(_OURS, f"{project.name}/{part}").hex[:16],
        "node_id": lambda part: str(uuid.uuid5(_OURS, f"{project.name}/{part}")),
    }


class _Dumper(yaml.SafeDumper):
    """Quotes every text that does not begin with a letter: YAML 1.1 and 1.2 differ on numbers."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if text[:1].isalpha() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def as_yaml(value: object) -> str:
    """Format a value on one line of YAML, quoted where it must be."""
    return _dumped(value, is_flow=True).removesuffix("...\n").strip()


def as_yaml_block(value: object, indent: int) -> str:
    """Format a mapping as lines of YAML, indented by so many blanks."""
    lines = _dumped(value, is_flow=False).splitlines()
    return "\n".join(f"{' ' * indent}{line}" for line in lines)


def _dumped(value: object, *, is_flow: bool) -> str:
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=is_flow,
        allow_unicode=True,
        width=_WIDE,
        sort_keys=False,
    )
    return text


def as_json(value: object) -> str:
    """Format a value as JSON, which JavaScript reads as well."""
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def as_systemd(path: Path) -> str:
    """Format a path for a unit, where `%` begins a specifier.

    Source: systemd.unit(5), "Specifiers".
    """
    return str(path).replace("%", "%%")
