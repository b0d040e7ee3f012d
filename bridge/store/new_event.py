"""What is written when a payload is accepted."""

import json
from dataclasses import dataclass, field

from bridge.formats.quantities import Rate
from bridge.models import Body, EventId, moment_ms
from bridge.store.scripts import Value

IDEMPOTENCY_WINDOW_S = 24 * 3600


@dataclass(frozen=True)
class NewEvent:
    """What is written when a payload is accepted; empty texts stand for what was not given.

    `kept` is JSON of what is shown beside the payload. `idempotency` is a digest of hook and key, `digest` one of body and reply address, `coalesce` one
    of what later requests must have in common with it to be merged into it. `call_id` is the call in whose
    middle it is asked.
    """

    event_id: EventId
    server: str
    hook: str
    body: Body
    summary: str
    digest: str
    idempotency: str
    reply_url: str = field(repr=False)
    reply_deadline: str
    default_reply: str
    lease_s: float
    max_attempts: int
    answer_within_s: float
    ttl_s: int
    files: tuple[bytes, ...] = ()
    rate: Rate | None = None
    queued_max: int | None = None
    execution: str = ""
    coalesce: str = ""
    coalesce_for_s: float = 0
    call_id: str = ""
    kept: str = ""

    def values(self) -> dict[str, Value]:
        """Give the arguments of the step that accepts it."""
        return {
            "id": self.event_id,
            "server": self.server,
            "hook": self.hook,
            "body": self.body.content,
            "media_type": self.body.media_type,
            "summary": self.summary,
            "digest": self.digest,
            "idempotency": self.idempotency,
            "reply_url": self.reply_url,
            "reply_deadline": moment_ms(self.reply_deadline) if self.reply_deadline else "",
            "default_reply": self.default_reply,
            "lease_s": self.lease_s,
            "max_attempts": self.max_attempts,
            "answer_within_s": self.answer_within_s,
            "ttl_s": self.ttl_s,
            "window_s": IDEMPOTENCY_WINDOW_S,
            "rate_count": self.rate.count if self.rate else 0,
            "rate_ms": round(self.rate.window_s * 1000) if self.rate else 0,
            "queued_max": self.queued_max or 0,
            "files": b"".join(self.files),
            "file_sizes": json.dumps([len(file) for file in self.files]),
            "execution": self.execution,
            "coalesce": self.coalesce,
            "coalesce_ms": round(self.coalesce_for_s * 1000),
            "call": self.call_id,
            "kept": self.kept,
        }
