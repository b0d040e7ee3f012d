"""Scopes: what a token lets its principal do, inside its server and inside what is its own."""

import json
from dataclasses import dataclass, replace
from typing import Self

from bridge.configuration.servers import Server
from bridge.models import Call


@dataclass(frozen=True)
class Scope:
    """Which hooks and workflows, by name, and whether more than reading; None is all of them.

    Without `acts` events are listed and read, and only workflows that change nothing are run.
    """

    acts: bool = True
    hooks: frozenset[str] | None = None
    workflows: frozenset[str] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `spell` has written."""
        kept = json.loads(text)
        hooks, workflows = kept["hooks"], kept["workflows"]
        return cls(
            kept["acts"],
            None if hooks is None else frozenset(hooks),
            None if workflows is None else frozenset(workflows),
        )

    def spell(self) -> str:
        """Write it down, equal scopes alike."""
        hooks, workflows = self.hooks, self.workflows
        kept = {
            "acts": self.acts,
            "hooks": None if hooks is None else sorted(hooks),
            "workflows": None if workflows is None else sorted(workflows),
        }
        return json.dumps(kept)

    def covers_hook(self, name: str) -> bool:
        """Report whether events of this hook are in it."""
        return self.hooks is None or name in self.hooks

    def covers_workflow(self, name: str) -> bool:
        """Report whether calls of this workflow are in it; whoever only reads may read them all."""
        return self.workflows is None or name in self.workflows

    def narrow(self, call: Call) -> Call:
        """Return a call as this scope may see it, without what it asks on other hooks."""
        asked = tuple(each for each in call.questions if self.covers_hook(each.hook))
        return replace(call, questions=asked)

    def view(self, server: Server) -> Server:
        """Return the server as whoever has this scope may see it."""
        if self == EVERYTHING:
            return server
        hooks = {name: hook for name, hook in server.hooks.items() if self.covers_hook(name)}
        workflows = {
            name: workflow
            for name, workflow in server.workflows.items()
            if self.covers_workflow(name) and (self.acts or workflow.annotations.read_only)
        }
        return server.model_copy(update={"hooks": hooks, "workflows": workflows})


EVERYTHING = Scope()
"""What tokens of server files are good for."""
