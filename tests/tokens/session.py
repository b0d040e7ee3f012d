"""One conversation at the bridge's tools: what is asked, what is told, and what that costs."""

import random
import re
from dataclasses import dataclass, field
from typing import Any

from bridge.models import Message, Principal
from bridge.runtime import Runtime
from tests.tokens.counting import ENCODINGS, compact, count
from tests.tools import told

_RANDOM = re.compile(r"(?:evt|call)_[\w-]{32}|(?<=\"lease\":\")[\w-]{24}")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class Variant:
    """One way to spare tokens, or none: which server is asked, and whether digests are used."""

    name: str
    server: str
    digests: bool


@dataclass
class Session:
    """A conversation of one principal.

    `told` is the part of its tokens that answers are; `heard` what stood in them, by question.
    """

    runtime: Runtime
    principal: Principal
    variant: Variant
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ENCODINGS, 0))
    told: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ENCODINGS, 0))
    heard: dict[str, Message] = field(default_factory=dict)
    turns: int = 0
    _ids: dict[str, str] = field(default_factory=dict)

    async def ask(self, tool: str, /, **arguments: Any) -> Message:
        """Call a tool; give what Claude holds then: the same again where that is unchanged."""
        asked = f"{tool}{compact(arguments)}"
        before = self.heard.get(asked)
        if self.variant.digests and before and "digest" in before:
            arguments["if_changed_from"] = before["digest"]
        answer = await told(self.runtime, self.principal, tool, **arguments)
        if not self.variant.digests:
            answer.pop("digest", None)
        self.turns += 1
        for encoding in ENCODINGS:
            told_tokens = count(self._steady(compact(answer)), encoding)
            self.told[encoding] += told_tokens
            self.tokens[encoding] += count(self._steady(compact(arguments)), encoding) + told_tokens
        if not answer.get("unchanged"):
            self.heard[asked] = answer
        return self.heard[asked]

    def _steady(self, text: str) -> str:
        """Put ids of the same length, but the same in every run, in the place of random ones."""
        return _RANDOM.sub(lambda found: self._ids.setdefault(found[0], self._id(found[0])), text)

    def _id(self, unsteady: str) -> str:
        kind = next((kind for kind in ("evt_", "call_") if unsteady.startswith(kind)), "")
        letters = random.Random(len(self._ids))
        return kind + "".join(letters.choices(_LETTERS, k=len(unsteady) - len(kind)))
