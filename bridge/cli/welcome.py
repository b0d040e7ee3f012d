"""What `up` says once all is ready: addresses, tokens, and what to paste where."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from bridge.configuration.demo import HOOK_TOKEN, NAME, TOKEN, shipped_file
from bridge.configuration.load import Configuration
from bridge.configuration.operators_server import OPERATORS, operators_server
from bridge.configuration.servers import Server

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - read, not bound
REPLY_URL = "={{ $execution.resumeUrl.replace('?', '/reply?') }}"
IDEMPOTENCY_KEY = "=n8n_{{ $workflow.id }}_{{ $execution.id }}_{{ $itemIndex }}"
QUESTION = {"question": "Which plan fits a team of five?", "from": "ann@example.com"}


def welcome(
    configuration: Configuration,
    environ: Mapping[str, str],
    stand_in_port: int | None,
    missing_folder: Path | None = None,
) -> str:
    """Write the welcome; it holds the demo tokens, so it is for the terminal and no log."""
    settings = configuration.settings
    base = (settings.public_url or base_url(settings.host, settings.port)).rstrip("/")
    lines = ["", click.style("The bridge is up. Ctrl-C drains and ends it.", bold=True)]
    for server in configuration.servers.values():
        token = environ[TOKEN] if server.name == NAME else placeholder(server, environ)
        lines += addresses(server, base, token)
    for server in operators_server(settings).values():
        lines += addresses(server, base, placeholder(server, environ))
    demo = configuration.servers.get(NAME)
    if demo and demo.hooks:
        hook = f"{base}/hooks/demo/{next(iter(demo.hooks))}"
        lines += for_n8n(hook, environ[HOOK_TOKEN])
        lines += to_try(hook, environ[HOOK_TOKEN], settings.port, stand_in_port)
    if missing_folder:
        lines += where_files_go(missing_folder)
    lines += about_n8n(environ["BRIDGE_N8N_URL"], stand_in_port)
    lines += what_clients_drop(configuration.warnings)
    lines += what_can_be_guessed(configuration.short_secrets)
    return "\n".join(lines) + "\n"


def base_url(host: str, port: int) -> str:
    """Return the address under which this machine reaches a bridge that listens on `host`."""
    host = EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def heading(text: str) -> str:
    """Write the first line of a part."""
    return "\n" + click.style(text, bold=True)


def placeholder(server: Server, environ: Mapping[str, str]) -> str:
    """Return what stands for a token that people have set: the variable that holds it, if any."""
    if not server.tokens:
        return ""
    token = server.tokens[0]
    held_in = (name for name, text in environ.items() if text == token.value.get_secret_value())
    return next((f"${name}" for name in held_in), f"<the token {token.name}>")


def addresses(server: Server, base: str, token: str) -> Iterator[str]:
    """Report where a server is reached, and how Claude Code is connected to it in every folder."""
    yield heading(f"{server.title or server.name}")
    yield f"  Claude     {base}/mcp/{server.name}"
    yield f"             {base}/sse/{server.name}   (clients that only speak HTTP+SSE)"
    for hook in server.hooks:
        yield f"  n8n        {base}/hooks/{server.name}/{hook}"
    name = {NAME: "bridge", OPERATORS: "bridge-operators"}.get(server.name, server.name)
    header = f' --header "Authorization: Bearer {token}"' if token else ""
    yield "  Connect Claude Code:"
    yield f"  claude mcp add --scope user --transport http {name} {base}/mcp/{server.name}{header}"


def for_n8n(hook: str, token: str) -> Iterator[str]:
    """Report what an n8n workflow needs to hand an event to Claude and wait for the reply."""
    yield heading(
        "In n8n: an HTTP Request node, then a Wait node that resumes On Webhook Call (POST)"
    )
    yield "  Method            POST"
    yield f"  URL               {hook}"
    yield f"  Header Auth       Authorization: Bearer {token}"
    yield f"  Bridge-Reply-Url  {REPLY_URL}"
    yield f"  Idempotency-Key   {IDEMPOTENCY_KEY}"
    yield "  Body              JSON"
    yield "  Wait node         Resume: On Webhook Call, POST, Webhook Suffix: reply"


def to_try(hook: str, token: str, port: int, stand_in_port: int | None) -> Iterator[str]:
    """Report how to send a first question."""
    yield heading("Try it: send a question, then ask Claude to take the next event and answer it")
    if stand_in_port:
        yield "  as the n8n workflow does; the answer is Claude's reply:"
        yield curl(
            f"http://127.0.0.1:{stand_in_port}/webhook/ask-claude",
            {"port": port, "token": token} | QUESTION,
        )
        yield "  straight to the hook:"
    yield curl(hook, QUESTION, f" -H 'authorization: Bearer {token}'")


def curl(address: str, body: Mapping[str, object], headers: str = "") -> str:
    """Write a request that can be pasted into a shell, on one line."""
    typed = f"{headers} -H 'content-type: application/json'"
    return f"  curl -X POST {address}{typed} -d '{json.dumps(body, separators=(',', ':'))}'"


def where_files_go(folder: Path) -> Iterator[str]:
    """Return where server files are looked for, while the demo is served for want of any."""
    yield heading("Your own servers")
    yield f"  Put their files into {folder} and start again: they are then"
    yield "  served in place of the demo. To begin with a copy of the demo:"
    copied = f"cp {shlex.quote(str(shipped_file()))} {shlex.quote(str(folder))}"
    yield f"  mkdir -p {shlex.quote(str(folder))} && {copied}"


def about_n8n(n8n_url: str, stand_in_port: int | None) -> Iterator[str]:
    """Report who plays n8n."""
    if not stand_in_port:
        yield heading(f"n8n is {n8n_url}")
        return
    yield heading("n8n is played by a built-in stand-in")
    yield f"  It listens on {n8n_url}, knows the demo's workflows, and answers for those of"
    yield "  your server files with what their `output` gives as examples. For your own n8n, set"
    yield "  BRIDGE_N8N_URL=http://your-n8n:5678 (in .env, say) and start again."


def what_can_be_guessed(short_secrets: tuple[str, ...]) -> Iterator[str]:
    """Report which secrets are too short for more than this machine, if any."""
    if short_secrets:
        yield heading("Before more than this machine can reach the bridge, change these")
        yield from (f"  {secret}" for secret in short_secrets)


def what_clients_drop(warnings: tuple[str, ...]) -> Iterator[str]:
    """Report what of the server files clients would not take, if anything."""
    if warnings:
        yield heading("Claude's clients drop or cut these, without a word")
        yield from (f"  {warning}" for warning in warnings)
