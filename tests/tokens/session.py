"""One conversation at the bridge's tools: what is asked, what is told, and what that costs."""

import random
import re
from dataclasses import dataclass, field
from typing import Any

from bridge.models import Message, Principal
from bridge.runtime import Runtime
from tests.tokens.counting import ENCODINGS, compact, count
from tests.tools import told

_RANDOM = re.compile(r"(?:evt|call)_[\w-]{22}|(?<=\"lease\":\")[\w-]{11}")
_KINDS = ("evt_", "call_", "")
_LONG_CHARS = (32, 32, 24)
"""How long ids and lease tokens were while they held 192 and 144 random bits, without prefixes."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class Variant:
    """One way to spare tokens, or none: which server is asked, and whether digests are used.

    `long_ids` counts ids and lease tokens as if they were as long as they once were.
    """

    name: str
    server: str
    digests: bool = False
    long_ids: bool = True


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
        """Call a tool; returns what Claude holds then: the same again where that is unchanged."""
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

    def hold(self, told: Message, tool: str, **arguments: Any) -> None:
        """Record that what was told answers this question too, where it comes with a digest."""
        if "digest" in told:
            self.heard[f"{tool}{compact(arguments)}"] = told

    def _steady(self, text: str) -> str:
        """Put ids that are the same in every run in the place of random ones."""
        return _RANDOM.sub(lambda found: self._ids.setdefault(found[0], self._id(found[0])), text)

    def _id(self, unsteady: str) -> str:
        at = next(at for at, kind in enumerate(_KINDS) if unsteady.startswith(kind))
        chars = _LONG_CHARS[at] if self.variant.long_ids else len(unsteady) - len(_KINDS[at])
        return _KINDS[at] + "".join(random.Random(len(self._ids)).choices(_LETTERS, k=chars))
