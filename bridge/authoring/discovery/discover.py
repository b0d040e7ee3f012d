"""One look at n8n: what its published workflows would change in a server file."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.authoring.discovery.server_file import Change, change_of, findings_of
from bridge.authoring.discovery.tools import Choice, Found, FoundTool, PassedOver, tools_of
from bridge.configuration.findings import Finding, Severity
from bridge.configuration.settings import Settings
from bridge.errors import ConfigurationError
from bridge.n8n.api import N8nApi, WorkflowRecord

ALONE = ".alone.yaml"
"""No server file has this name, for folders are read without names that begin with a dot."""
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
) -> Look:
    """Ask n8n once, and work out what its workflows change; nothing is written.

    With `needs_secrets` a tool whose secrets nobody has set is passed over: a start would stop.

    Raises:
        ConfigurationError: the file as it is, or as it would be, is no sound server file.
        PermanentError, TransientError: n8n's API did not answer as it should.
    """
    found = tools_of(await _chosen(api, choice), choice)
    _pass_over(found, lambda tool: _wrong_with(tool, target, environ))
    if needs_secrets:
        _pass_over(found, lambda tool: _must_be_set(tool.unset(environ)))
    change = change_of(target.path, target.server, found.tools, prunes=target.prunes)
    findings = _findings(change, found.tools, environ) if change.diff else ()
    faults = tuple(str(each) for each in findings if each.severity is Severity.ERROR)
    if faults:
        raise ConfigurationError(faults)
    return Look(found, change, findings)


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


async def _chosen(api: N8nApi, choice: Choice) -> list[WorkflowRecord]:
    chosen = [workflow async for workflow in api.published() if choice.takes(workflow)]
    return [await api.workflow(workflow.id) for workflow in chosen]
