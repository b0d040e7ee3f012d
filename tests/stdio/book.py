"""What was asked over stdio, what was read, and what n8n says of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.attached import own_result

WORKFLOW = "joined"
READ_CALL = "read_call"


@dataclass
class Ask:
    """One call of a tool, asked until it is answered; `label` tells a workflow's runs apart."""

    tool: str
    arguments: dict[str, Any]
    label: str = ""
    asked: int = 0
    is_settled: bool = False
    wrong: str = ""

    def settle(self, frame: dict[str, Any]) -> None:
        """Judge an answer; a handle leads on to the end of the call."""
        result = frame.get("result") or {}
        value = own_result(result.get("structuredContent"))
        if value is None or result.get("isError"):
            self.wrong = str(frame)[:300]
        elif self.label and "call_id" in value and value.get("status") != "succeeded":
            self.tool = READ_CALL
            self.arguments = {"call_id": value["call_id"], "wait_seconds": 60}
            return
        elif self.label:
            told = value["result"] if "call_id" in value else value
            self.wrong = "" if told["label"] == self.label else str(value)[:300]
        elif "events" not in value and "calls" not in value:
            self.wrong = str(value)[:300]
        self.is_settled = True


@dataclass
class Book:
    """What all clients did and saw, and by label how often n8n ran what they asked for."""

    asks: Sequence[Ask]
    starts: int = 0
    frames: int = 0
    read_bytes: int = 0
    cut_frames: int = 0
    torn: list[str] = field(default_factory=list)
    bad_ends: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    runs: Counter[object] = field(default_factory=Counter)

    @property
    def calls(self) -> list[Ask]:
        """Return what n8n had to run."""
        return [ask for ask in self.asks if ask.label]

    @property
    def lost(self) -> list[str]:
        """Name what was asked for and never came, or never ran."""
        missing = [ask for ask in self.asks if not ask.is_settled]
        unrun = [ask for ask in self.calls if ask.is_settled and not self.runs[ask.label]]
        return [str(ask) for ask in (*missing, *unrun)]

    @property
    def twice(self) -> list[str]:
        """Name what n8n ran more than once."""
        return [str(label) for label, count in self.runs.items() if count > 1]

    @property
    def wrong(self) -> list[str]:
        """Report what was answered that is not so."""
        return [ask.wrong for ask in self.asks if ask.wrong]

    @property
    def is_good(self) -> bool:
        """Report whether every promise was kept."""
        return not (self.lost or self.twice or self.wrong or self.torn or self.bad_ends)
