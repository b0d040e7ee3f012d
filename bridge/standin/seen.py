"""What the stand-in has seen: each request from its arrival on."""

import json
import time
from collections import deque
from dataclasses import asdict, dataclass, field

from starlette.requests import Request

from bridge.models import Json

KEPT = 100_000


@dataclass
class Seen:
    """One request; times are seconds since 1970, `outcome` is the status answered or "reset"."""

    method: str
    path: str
    target: str
    headers: dict[str, str]
    body: Json
    execution: str | None = None
    started_at: float = field(default_factory=time.time)
    finished_at: float | None = None
    outcome: int | str | None = None

    @classmethod
    async def arriving(cls, request: Request) -> "Seen":
        """Take down a request as soon as its body is in."""
        query = request.scope["query_string"].decode("latin-1")
        path = request.scope["raw_path"].decode("latin-1")
        return cls(
            method=request.method,
            path=request.url.path,
            target=f"{path}?{query}" if query else path,
            headers=dict(request.headers),
            body=_read(await request.body()),
        )

    def finish(self, outcome: int | str) -> None:
        """Record how it ended."""
        self.outcome, self.finished_at = outcome, time.time()


class SeenRequests:
    """The newest requests, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[Seen] = deque(maxlen=KEPT)

    def add(self, seen: Seen) -> None:
        """Remember a request."""
        self._kept.append(seen)

    def of(self, path: str | None = None) -> list[Seen]:
        """List the requests to one path, or all."""
        return [seen for seen in self._kept if path in (None, seen.path)]

    def listed(self, path: str | None) -> list[dict[str, Json]]:
        """List them as JSON."""
        return [asdict(seen) for seen in self.of(path)]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


def _read(body: bytes) -> Json:
    try:
        value: Json = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    return value
