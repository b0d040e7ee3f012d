"""A call as it is written before its workflow is run."""

from dataclasses import dataclass

from bridge.configuration.server_options import Share
from bridge.formats.json_text import spell
from bridge.formats.payloads import summarize
from bridge.formats.quantities import Rate
from bridge.models import CallId, Principal

SUMMARIZED_ABOVE_BYTES = 4096


@dataclass(frozen=True)
class NewApproval:
    """That somebody must approve of a call within a time, before any of it is sent.

    `digest` is of all that is approved: workflow and arguments. `asks` says who is asked:
    `console`, `elicitation` or `hook NAME`.
    """

    digest: str
    asks: str
    within_s: float

    @property
    def within_ms(self) -> int:
        """The same time in milliseconds."""
        return round(self.within_s * 1000)

    @property
    def kept(self) -> str:
        """The text that is kept of it with its call."""
        return spell({"digest": self.digest, "asks": self.asks, "within_ms": self.within_ms})


@dataclass(frozen=True)
class NewCall:
    """What is written before a workflow is run; `arguments` is a JSON text.

    `attach` is a digest of what must be equal for a later call to join this one, empty for never,
    `attach_use` one of the same and the client's own id of this use of the tool, empty without one;
    `promised` says that the caller may come back for it without waiting. At most `concurrency`
    calls of the workflow run at once, no more of them are sent in a time than `rate` allows, and
    one has ended `timeout_s` after its first attempt. `origin` is by which use of a tool it was
    asked for, as `origin_of` says it. `share` is how much of the workflow one principal may have;
    `asker` what else the workflow is told of who asks, as JSON, empty where it is told nothing.
    With `to_approve` it waits for that before it is run.
    """

    call_id: CallId
    principal: Principal
    workflow: str
    arguments: bytes
    max_attempts: int
    idempotent: bool
    ttl_s: int
    attach: str = ""
    attach_use: str = ""
    attach_for_s: float = 0
    promised: bool = False
    trace: str = ""
    secret: str = ""
    concurrency: int = 20
    rate: Rate | None = None
    timeout_s: float = 1200
    origin: str = ""
    share: Share | None = None
    to_approve: NewApproval | None = None
    asker: str = ""

    @property
    def server(self) -> str:
        """The server of the principal."""
        return self.principal.server

    @property
    def caller(self) -> str:
        """The name of the principal."""
        return self.principal.name

    @property
    def attach_ms(self) -> int:
        """For how long it may be joined once it has ended."""
        return round(self.attach_for_s * 1000)

    @property
    def rate_count(self) -> int:
        """How many calls may be sent within `rate_ms`; 0 for any number."""
        return self.rate.count if self.rate else 0

    @property
    def rate_ms(self) -> int:
        """The time that the rate is counted in."""
        return round(self.rate.window_s * 1000) if self.rate else 0

    @property
    def is_long(self) -> bool:
        """Whether lists show its arguments by a summary of its own, and never read all of them."""
        return len(self.arguments) > SUMMARIZED_ABOVE_BYTES

    @property
    def more(self) -> list[str]:
        """The fields that only some calls have, as names and values."""
        more = ["asker", self.asker] if self.asker else []
        more += ["approval", self.approval] if self.to_approve else []
        more += ["summary", summarize(self.arguments)] if self.is_long else []
        if self.share is not None:
            rate = self.share.rate or Rate(0, 0)
            limits = (self.share.concurrency or 0, rate.count, round(rate.window_s * 1000))
            more += ["share", " ".join(map(str, limits))]
        return more

    @property
    def timeout_ms(self) -> int:
        """How long after its first attempt it has ended."""
        return round(self.timeout_s * 1000)

    @property
    def timed_as(self) -> str:
        """The field of its limit of time, which does not count before it is approved."""
        return "approval_timeout_ms" if self.to_approve else "timeout_ms"

    @property
    def approval(self) -> str:
        """What must be approved and by whom, as `verdicts.lua` reads it; empty for nothing."""
        return self.to_approve.kept if self.to_approve else ""

    @property
    def approval_ms(self) -> int:
        """How long it waits for that."""
        return self.to_approve.within_ms if self.to_approve else 0
