"""One look at n8n: what its published workflows would change in a server file."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.authoring.discovery.server_file import (
    Change,
    change_of,
    findings_of,
    read_text,
    server_in,
)
from bridge.authoring.discovery.tools import Choice, Found, FoundTool, PassedOver, tools_of
from bridge.authoring.naming import NAME_CHARS, servers_in, whole_name
from bridge.configuration.findings import Finding, Severity
from bridge.configuration.settings import Settings
from bridge.errors import ConfigurationError
from bridge.n8n.api import N8nApi, WorkflowRecord

ALONE = ".alone.yaml"
"""No server file has this name, for folders are read without names that begin with a dot."""
NAME_CHARS_LEAST = 24
"""Room for the id of a workflow: beside a longer name of a server `check` warns."""
NO_URL = "BRIDGE_N8N_URL is not set: name the address of n8n"
NO_KEY = (
    "BRIDGE_N8N_API_KEY is not set: make a key in n8n under Settings, n8n API, "
    "with the scopes workflow:list and workflow:read"
)


@dataclass(frozen=True)
class Target:
    """The file that is kept, the server in it, and whether tools without a webhook leave it."""

    path: Path
    server: str
    prunes: bool = False


@dataclass(frozen=True)
class Look:
    """What was found, what it changes, and what may be regretted of the file then."""

    found: Found
    change: Change
    warnings: tuple[Finding, ...] = ()

    def missing(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Name the variables that the new file needs and nobody has set."""
        unset = (name for tool in self.found.tools for name in tool.unset(environ))
        return tuple(dict.fromkeys(unset))


@dataclass
class Known:
    """What former looks have read, so that only what has changed is read and compared again.

    `workflows` are those that n8n had, by id, each as the list shows it and as a whole; `looked` is
    what the last look saw of them, with the text of the file then.
    """

    workflows: dict[str, tuple[WorkflowRecord, WorkflowRecord]] = field(default_factory=dict)
    looked: tuple[list[WorkflowRecord], str, Look] | None = None


def api_of(environ: Mapping[str, str]) -> N8nApi:
    """Return the API of the n8n that the environment names.

    Raises:
        ConfigurationError: it names none, or no key to it that can be sent.
    """
    url = environ.get("BRIDGE_N8N_URL", "").strip()
    key = environ.get("BRIDGE_N8N_API_KEY", "").strip()
    faults = (*(() if url else (NO_URL,)), *(() if key else (NO_KEY,)))
    if faults:
        raise ConfigurationError(faults)
    Settings.from_environ({"BRIDGE_N8N_API_KEY": key})
    return N8nApi(url, key)


async def look(
    api: N8nApi,
    choice: Choice,
    target: Target,
    environ: Mapping[str, str],
    *,
    needs_secrets: bool = False,
    known: Known | None = None,
) -> Look:
    """Ask n8n once, and work out what its workflows change; nothing is written.

    With `needs_secrets` a tool whose secrets nobody has set is passed over: a start would stop.
    `known` holds what is read for the looks to come.

    Raises:
        ConfigurationError: the file as it is, or as it would be, is no sound server file.
        PermanentError, TransientError: n8n's API did not answer as it should.
    """
    known = Known() if known is None else known
    chosen = await _chosen(api, choice, known)
    before = read_text(target.path)
    if known.looked and known.looked[:2] == (chosen, before):
        return known.looked[2]
    server = server_in(before) or target.server
    name_chars = max(NAME_CHARS - len(whole_name(server, "")), NAME_CHARS_LEAST)
    found = tools_of(chosen, choice, name_chars)
    _pass_over(found, lambda tool: _wrong_with(tool, target, environ))
    if needs_secrets:
        _pass_over(found, lambda tool: _must_be_set(tool.unset(environ)))
    change = change_of(target.path, target.server, found.tools, prunes=target.prunes)
    if change.diff:
        _demand_name(server, target.path, environ)
    findings = _findings(change, found.tools, environ) if change.diff else ()
    faults = tuple(str(each) for each in findings if each.severity is Severity.ERROR)
    if faults:
        raise ConfigurationError(faults)
    known.looked = (chosen, before, Look(found, change, findings))
    return known.looked[2]


def _demand_name(server: str, path: Path, environ: Mapping[str, str]) -> None:
    """Refuse a server of a name that another file of the folder has: a start would stop.

    Raises:
        ConfigurationError: naming that file.
    """
    for name, file in servers_in(path.parent, environ):
        if name == server and file.name != path.name:
            raise ConfigurationError(
                (f"{file} has a server {name} already: name another with --server",)
            )


def _pass_over(found: Found, why_not: Callable[[FoundTool], str]) -> None:
    whys = [(tool, why_not(tool)) for tool in found.tools]
    found.tools = [tool for tool, why in whys if not why]
    found.passed_over += [PassedOver(str(tool.entry["title"]), why) for tool, why in whys if why]


def _wrong_with(tool: FoundTool, target: Target, environ: Mapping[str, str]) -> str:
    """Name what no client would take of a tool, as `check` would in a file of its own."""
    alone = change_of(target.path.with_name(ALONE), target.server, [tool], prunes=False)
    found = _findings(alone, [tool], environ)
    return "; ".join(each.sentence for each in found if each.severity is Severity.ERROR)


def _must_be_set(unset: Iterable[str]) -> str:
    return f"{names} must be set" if (names := " and ".join(unset)) else ""


def _findings(
    change: Change, tools: Iterable[FoundTool], environ: Mapping[str, str]
) -> tuple[Finding, ...]:
    return findings_of(change, environ, [secret for tool in tools for secret in tool.secrets])


async def _chosen(api: N8nApi, choice: Choice, known: Known) -> list[WorkflowRecord]:
    """Return the chosen workflows as a whole, which lists do not show; those gone since are not."""
    listed = [workflow async for workflow in api.published() if choice.takes(workflow)]
    before, known.workflows = known.workflows, {}
    for each in listed:
        had = before.get(each.id)
        is_known = had is not None and each.updated_at != "" and had[0] == each
        whole = had[1] if had and is_known else await api.workflow_if_there(each.id)
        if whole is not None:
            known.workflows[each.id] = (each, whole)
    return [whole for _, whole in known.workflows.values()]
