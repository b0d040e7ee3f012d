"""Server files beside the n8n that they are for: what its API says of their webhooks (`--online`).

n8n's API is asked and nothing else: no webhook is called, nothing is changed. It shows which kind
of credential a webhook asks for, and neither a secret nor a header's name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from bridge.authoring.checking.agreement import Wrong, disagreements
from bridge.authoring.checking.rules import (
    HOOK_MISSING,
    N8N_UNASKED,
    WEBHOOK_ELSEWHERE,
    WEBHOOK_METHOD,
    WEBHOOK_MISSING,
    WEBHOOK_UNPUBLISHED,
)
from bridge.authoring.discovery.discover import api_of
from bridge.authoring.discovery.webhooks import Webhook, webhooks_of
from bridge.configuration.findings import Finding, anywhere
from bridge.configuration.server_files import ServerFile, ServerFiles
from bridge.configuration.servers import Server, Workflow
from bridge.errors import ConfigurationError, PermanentError, TransientError
from bridge.n8n.api import N8nApi, WorkflowRecord

HTTP_REQUEST = "n8n-nodes-base.httpRequest"

_HOOK = re.compile(r"/hooks/([\w-]+)/([\w-]+)")


@dataclass(frozen=True)
class Comparison:
    """What was found at n8n, and how many workflows were looked for there."""

    findings: tuple[Finding, ...]
    compared: int = 0


@dataclass(frozen=True)
class Webhooks:
    """All webhooks of an n8n: those that it answers, and those that are drafts."""

    published: tuple[Webhook, ...]
    drafted: tuple[Webhook, ...]

    @classmethod
    def of(cls, records: Iterable[WorkflowRecord]) -> Self:
        """Return the webhooks of all workflows of an n8n."""
        published: list[Webhook] = []
        drafted: list[Webhook] = []
        for record in records:
            drafted += webhooks_of(record, record.nodes)
            if record.active and not record.is_archived:
                published += webhooks_of(record, record.published)
        return cls(tuple(published), tuple(drafted))


async def compare_online(files: ServerFiles, environ: Mapping[str, str]) -> Comparison:
    """Compare the workflows and hooks of all sound servers with what n8n has.

    An n8n that cannot be asked is a finding: what was found in the files stands all the same.
    """
    try:
        async with api_of(environ) as api:
            return await _compare(files, api)
    except (PermanentError, TransientError) as error:
        faults = error.faults if isinstance(error, ConfigurationError) else (str(error),)
        return Comparison(tuple(anywhere(N8N_UNASKED, fault) for fault in faults))


async def _compare(files: ServerFiles, api: N8nApi) -> Comparison:
    servers = [(file, file.server) for file in files.files if file.server]
    calls = [
        (file, workflow, path_at(api.base_url, workflow.url))
        for file, server in servers
        for workflow in server.workflows.values()
        if workflow.url
    ]
    paths = {path for _, _, path in calls if path is not None}
    records = [await _whole(api, listed, paths) async for listed in api.workflows()]
    webhooks = Webhooks.of(records)
    found = [
        file.document.finding(rule, ("workflows", workflow.name, *place), predicate)
        for file, workflow, path in calls
        for rule, place, predicate in _of_workflow(workflow, path, webhooks)
    ]
    found += [each for file, server in servers for each in _of_hooks(file, server, records)]
    return Comparison(tuple(found), sum(path is not None for _, _, path in calls))


async def _whole(api: N8nApi, listed: WorkflowRecord, paths: Iterable[str]) -> WorkflowRecord:
    """Return a workflow with its description, in which a schema may stand, if it is called."""
    webhooks = Webhooks.of([listed])
    is_called = any(webhook.is_at(path) for webhook in webhooks.published for path in paths)
    return await api.workflow(listed.id) if is_called else listed


def path_at(n8n_url: str, url: str) -> str | None:
    """Return the path of the webhook that an address is of; None where it is none of this n8n's."""
    address = url.partition("?")[0]
    webhooks = f"{n8n_url}/webhook/"
    return unquote(address.removeprefix(webhooks)) if address.startswith(webhooks) else None


def _of_workflow(workflow: Workflow, path: str | None, webhooks: Webhooks) -> Iterator[Wrong]:
    if path is None:
        said = "is no webhook of the n8n at BRIDGE_N8N_URL, so it was not looked for there"
        yield WEBHOOK_ELSEWHERE, ("url",), said
        return
    there = [webhook for webhook in webhooks.published if webhook.is_at(path)]
    webhook = next((each for each in there if workflow.method in each.methods), None)
    if webhook:
        yield from disagreements(workflow, webhook)
    elif there:
        methods = " and ".join(dict.fromkeys(name for each in there for name in each.methods))
        said = (
            f"is called with {workflow.method}, but {there[0]} listens for {methods}: change "
            "`method`, or the node's HTTP Method"
        )
        yield WEBHOOK_METHOD, ("url",), said
    elif draft := next((each for each in webhooks.drafted if each.is_at(path)), None):
        mend = "publish it there, with the node active"
        why = (
            f"archived: restore it, and {mend}"
            if draft.workflow.is_archived
            else f"not published: {mend}"
        )
        yield WEBHOOK_UNPUBLISHED, ("url",), f"is {draft}, which n8n has {why}"
    else:
        said = "is no webhook that n8n has: give the Webhook node this path, or mend the address"
        yield WEBHOOK_MISSING, ("url",), said


def _of_hooks(
    file: ServerFile, server: Server, records: Iterable[WorkflowRecord]
) -> Iterator[Finding]:
    """Find the nodes that send to a hook of this server that there is not."""
    for record in records:
        nodes = record.published if record.active else ()
        for node in nodes:
            url = str(node.parameters.get("url", "")) if node.type == HTTP_REQUEST else ""
            for name, hook in _HOOK.findall(url):
                if name == server.name and hook not in server.hooks:
                    said = (
                        f"lacks `{hook}`, to which the node “{node.name}” of n8n's workflow "
                        f"“{record.name}” sends: add the hook, or mend the node's address"
                    )
                    yield file.document.finding(HOOK_MISSING, ("hooks",), said)
