"""One Webhook node of n8n: where it listens, what it asks of its caller, and how it answers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from typing_extensions import override

from bridge.configuration.raw import mapping
from bridge.n8n.api import Node, WorkflowRecord

WEBHOOK = "n8n-nodes-base.webhook"
AT_ONCE, STREAMING = "onReceived", "streaming"
CALLBACK_HEADER = "bridge-callback-url"


@dataclass(frozen=True)
class Webhook:
    """A Webhook node, and all nodes of its workflow, either as published or as drafted."""

    workflow: WorkflowRecord
    node: Node
    nodes: tuple[Node, ...]

    @override
    def __str__(self) -> str:
        """Return it as people know it, by its workflow's name."""
        return f"the webhook of “{self.workflow.name}”"

    def is_at(self, path: str) -> bool:
        """Report whether requests with this path after `/webhook/` are its own.

        A path with parameters has the node's id before it.
        """
        own = f"{self.node.webhook_id}/{self.path}" if self.has_parameters else self.path
        parts, asked = own.split("/"), path.strip("/").split("/")
        return len(parts) == len(asked) and all(
            part == given or part.startswith(":") for part, given in zip(parts, asked, strict=True)
        )

    @property
    def path(self) -> str:
        """What stands after `/webhook/` in its address, but for what parameters add to it."""
        return str(self.node.parameters.get("path") or self.node.webhook_id).strip("/")

    @property
    def has_parameters(self) -> bool:
        """Whether its path has places that the caller fills in."""
        return "/:" in f"/{self.path}"

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that it listens for."""
        given = self.node.parameters.get("httpMethod", "GET")
        return tuple(map(str, given)) if isinstance(given, list) else (str(given),)

    @property
    def authentication(self) -> str:
        """What it asks its caller for, in n8n's words, such as `none` or `headerAuth`."""
        return str(self.node.parameters.get("authentication", "none"))

    @property
    def response_mode(self) -> str:
        """When it answers, in n8n's words, such as `onReceived` or `lastNode`."""
        return str(self.node.parameters.get("responseMode", AT_ONCE))

    @property
    def tells_execution(self) -> bool:
        """Whether its answer names the execution, which can then be followed."""
        if self.response_mode == AT_ONCE:
            options = mapping(self.node.parameters.get("options"))
            return "executionId" in str(options.get("responseData"))
        return any("executionId" in str(node.parameters) for node in self.nodes)

    @property
    def calls_back(self) -> bool:
        """Whether a node beside it reads where results of the call are to be sent."""
        return any(CALLBACK_HEADER in str(node.parameters).lower() for node in self.nodes)


def webhooks_of(workflow: WorkflowRecord, nodes: Iterable[Node]) -> Iterator[Webhook]:
    """Yield the webhooks among a workflow's nodes, either the published or the drafted ones."""
    all_nodes = tuple(nodes)
    return (Webhook(workflow, node, all_nodes) for node in all_nodes if node.type == WEBHOOK)
