"""The reference: pages that are made from the models, so that they cannot be wrong; the pictures.

`python -m tests.docs.reference` writes them. They are committed, so that they are read on GitHub
as well and a change of them is seen in a review.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click
import mcp_types as types

import bridge.__main__  # noqa: F401 - it adds the workers' command to ours
from bridge.cli.main import LoadedLater, commands
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings, variable
from bridge.mcp.endpoint import tools_of
from tests.docs.pages import ROOT
from tests.docs.pictures import PICTURES
from tests.docs.schema_words import ALERT_SCHEMA, SCHEMA, definition, rows

SEE_ALSO = {
    "BRIDGE_N8N_API_KEY": "[how one is made](../n8n.md#a-key-to-n8ns-api)",
    "BRIDGE_PROXY_TELLS_OF_LEAVING": "[by client and proxy](../deploying.md#what-a-proxy-tells)",
    "BRIDGE_OAUTH": "[OAuth](../operating.md#oauth)",
    "BRIDGE_LOG": "[Logs](../operating.md#logs)",
    "hook.auth": "[Signed hooks](../server-files.md#signed-hooks)",
    "hook.keep": "[Senders that are not n8n](../server-files.md#senders-that-are-not-n8n)",
    "hook.limits": '[Why "accepted and queued" is the default]'
    "(../../README.md#why-accepted-and-queued-is-the-default)",
    "hook.payload": "[Schemas](../server-files.md#schemas)",
    "server.trim_context": "[Few tokens](../claude.md#few-tokens)",
    "workflow.attach": "[Long calls](../claude.md#long-calls)",
    "workflow.input": "[Schemas](../server-files.md#schemas)",
    "workflow.progress": "[A workflow that reports by itself]"
    "(../server-files.md#a-workflow-that-reports-by-itself)",
    "workflow.result": "[A workflow that is followed]"
    "(../server-files.md#a-workflow-that-is-followed)",
}
"""Where a page says more than the model of a setting or a key does."""


def settings() -> str:
    """Return the page of every `BRIDGE_*` variable."""
    rows = []
    for name, field in Settings.model_fields.items():
        meaning = _sentence(str(field.description), variable(name))
        rows.append((f"`{variable(name)}`", _default(field.default), meaning))
    return _page(
        "Settings",
        "Environment variables, or lines in a file `.env` in the folder where the bridge is "
        "started; the environment wins. An unknown `BRIDGE_…` name or a wrong value stops the "
        "start, all faults named at once.",
        _table(("variable", "default", "holds"), rows),
        "`BRIDGE_DEMO_TOKEN` and `BRIDGE_DEMO_HOOK_TOKEN` are what the demo's server file asks "
        "for; `up` makes up what is not set.",
    )


def server_file() -> str:
    """Return the page of every key of a server file."""
    parts = _parts(
        ("A server", "server", SCHEMA),
        ("A hook", "hook", definition("Hook")),
        ("A workflow", "workflow", definition("Workflow")),
    )
    return _page(
        "Keys of a server file",
        f"One mapping, in YAML or JSON: a server. {_WRITTEN} [Server files](../server-files.md) "
        "says how the keys go together; "
        "[the JSON Schema](../../bridge/server_file.schema.json) of the same is for editors.",
        *parts,
    )


def alert_file() -> str:
    """Return the page of every key of the file of alerts."""
    parts = _parts(
        ("The file", "alerts", ALERT_SCHEMA),
        ("A receiver", "receiver", definition("AlertReceiver")),
        ("An alert", "alert", definition("AlertRule")),
    )
    return _page(
        "Keys of the file of alerts",
        f"One mapping, in YAML or JSON. {_WRITTEN} [Alerts](../alerts.md) says how the keys go "
        "together; [the JSON Schema](../../bridge/alert_file.schema.json) of the same is for "
        "editors.",
        *parts,
    )


_WRITTEN = (
    "`${NAME}` stands for an environment variable anywhere in a text, `env:NAME` for one as a "
    "whole value; secrets are always `env:NAME`. A time is written `500ms`, `30s`, `15m`, `2h`, "
    "`1d`, or as a number of seconds, a rate `10/s`, `60/m`, `5/h`."
)


def _parts(*schemas: tuple[str, str, dict[str, Any]]) -> Iterator[str]:
    for title, anchor, schema in schemas:
        lines = [
            (
                f"`{row.key}`",
                row.kind,
                row.default,
                _sentence(row.meaning, anchor, row.key),
            )
            for row in rows(schema)
        ]
        yield f"## {title}"
        yield schema["description"]
        yield _table(("key", "is", "default", "meaning"), lines)


def command_line() -> str:
    """Return the page of every command and option."""
    parts = []
    for names, command in _walk(("n8n-bridge",), commands):
        about = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
        usage = " ".join(command.collect_usage_pieces(click.Context(command)))
        rows = [
            (", ".join(f"`{each}`" for each in option.opts), _takes(option), _does(option))
            for option in command.params
            if isinstance(option, click.Option) and not option.hidden
        ]
        parts += [
            f"## {' '.join(names)}",
            f"```text\n{' '.join(names)} {usage}\n```",
            about.replace("\b", "").strip(),
            _table(("option", "takes", "does"), rows) if rows else "",
        ]
    return _page(
        "Commands",
        "Exit status 0 is success, 1 a fault found, 2 wrong use. `--help` behind any of them "
        "says the same.",
        *parts,
    )


def tools() -> str:
    """Return the page of the tools that every server has, as Claude is shown them."""
    parts = []
    for name, tool in tools_of(Server(name="any")).items():
        parts += [f"## {name}", *_tool(tool.describe())]
    return _page(
        "Built-in tools",
        "The tools that every server has beside its workflows, in the words that Claude is shown. "
        "[What they are good for](../claude.md#what-claude-sees) is on the page about Claude.",
        *parts,
    )


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "server-file.md": server_file,
    "alert-file.md": alert_file,
    "commands.md": command_line,
    "tools.md": tools,
}


def _tool(shown: types.Tool) -> Iterator[str]:
    yield f"*{shown.title}.* {shown.description}"
    assert shown.annotations is not None
    hints = shown.annotations.model_dump(by_alias=True, exclude_none=True)
    yield f"Annotations: `{json.dumps(hints)}`"
    for title, schema in (("Input", shown.input_schema), ("Output", shown.output_schema)):
        if schema is not None:
            yield f"{title}:\n\n```json\n{_a_line_a_property(schema)}\n```"


def _a_line_a_property(schema: dict[str, Any]) -> str:
    written = json.dumps({**schema, "properties": {}}, indent=2, ensure_ascii=False)
    lines = [
        f"    {json.dumps(name)}: {json.dumps(each, ensure_ascii=False)}"
        for name, each in schema.get("properties", {}).items()
    ]
    return written.replace('"properties": {}', '"properties": {\n' + ",\n".join(lines) + "\n  }")


def _walk(
    names: tuple[str, ...], command: click.Command
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    loaded = command.load() if isinstance(command, LoadedLater) else command
    if not isinstance(loaded, click.Group):
        yield names, loaded
        return
    for name in sorted(loaded.commands):
        if not loaded.commands[name].hidden:
            yield from _walk((*names, name), loaded.commands[name])


def _takes(option: click.Option) -> str:
    if option.is_flag:
        return ""
    match option.type:
        case click.Choice(choices=choices):
            return " ".join(f"`{each}`" for each in choices)
        case click.IntRange(min=first, max=last):
            return f"a number from {first}" + (f" to {last}" if last else "")
        case kind:
            return kind.name


def _does(option: click.Option) -> str:
    default = f" By default {option.default}." if option.show_default else ""
    return f"{option.help or ''}{default}"


def _default(value: object) -> str:
    match value:
        case None:
            return "not set"
        case ():
            return "none"
        case tuple():
            return f"`{','.join(value)}`"
        case bool():
            return f"`{str(value).lower()}`"
        case float():
            return f"`{value:g}`"
        case _:
            return f"`{value}`"


def _sentence(text: str, *name: str) -> str:
    more = SEE_ALSO.get(".".join(name))
    return f"{text.rstrip('.')}: {more}" if more else text.rstrip(".")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(head), *(list(row) for row in rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(
        f"| {' | '.join(c.replace('|', chr(92) + '|') for c in row)} |" for row in cells
    )


def _page(title: str, *parts: str) -> str:
    made = "<!-- Made by `make reference` from the models: change those. -->"
    return "\n\n".join([f"# {title}", made, *(part for part in parts if part)]) + "\n"


MADE = {
    **{f"docs/reference/{name}": make for name, make in PAGES.items()},
    **{f"docs/pictures/{name}": draw for name, draw in PICTURES.items()},
}
"""Every file that is made, and what makes it."""


def main() -> None:
    """Write all of it anew."""
    for name, make in MADE.items():
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(make())
        click.echo(name)


if __name__ == "__main__":
    main()
