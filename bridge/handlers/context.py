"""What a handler has of the call that it runs, and the failure that it may raise."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

MESSAGE_CHARS_MAX = 1000
PROGRESS_EVERY_S = 0.25
"""How often progress is passed on; of what comes sooner the newest counts."""


class Failure(Exception):  # noqa: N818 - handlers raise it by this name
    """The call fails with this sentence, which Claude is told: say what is wrong and its mend."""


class Link(Protocol):
    """What a context reaches the bridge by."""

    async def report(self, share: float, message: str) -> None:
        """Pass on how far the call is."""

    async def ask(self, hook: str, payload: object) -> Any:
        """Ask on a hook, and return the value of the reply."""


@dataclass(frozen=True)
class HandlerCaller:
    """Who asks: the principal `name` of a `server`, and its `subject` at an outside issuer.

    `client` is what the client calls itself, which nothing proves. `operator` has run the call
    again in the place of the principal. What there is not is empty.
    """

    server: str
    name: str
    subject: str = ""
    client: str = ""
    operator: str = ""

    @classmethod
    def told(cls, claims: Mapping[str, Any] | None) -> Self | None:
        """Read what the bridge tells of who asks; None where it tells nothing."""
        if claims is None:
            return None
        operator = claims.get("act", {}).get("sub", "")
        more = {"subject": claims.get("sub", ""), "client": claims.get("client", "")}
        return cls(claims["server"], claims["name"], **more, operator=operator)


class HandlerContext:
    """One call of a workflow, as its handler sees it; `attempt` counts from 1.

    `caller` is who asks, where the server file has the workflow told.
    """

    def __init__(
        self, call_id: str, attempt: int, link: Link, caller: HandlerCaller | None = None
    ) -> None:
        self.call_id = call_id
        self.attempt = attempt
        self.caller = caller
        self._link = link
        self._newest: tuple[float, str] | None = None
        self._reporting: asyncio.Task[None] | None = None

    async def progress(self, share: float, message: str = "") -> None:
        """Report how far the call is, from 0 to 1, to whoever waits for it.

        Raises:
            ValueError: the share is outside of that.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"progress is a share from 0 to 1, not {share!r}")
        self._newest = float(share), message[:MESSAGE_CHARS_MAX]
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.create_task(self._report())
        await asyncio.sleep(0)  # so that a handler that only reports can be cancelled

    async def elicit(self, hook: str, payload: object) -> Any:
        """Ask by an event on a hook of the same server, and return the value of its reply.

        Whoever waits for the call is told of the question.

        Raises:
            Failure: there is no such hook, the hook takes no such payload, or nobody has answered.
        """
        return await self._link.ask(hook, payload)

    async def _report(self) -> None:
        while self._newest is not None:
            newest, self._newest = self._newest, None
            await self._link.report(*newest)
            await asyncio.sleep(PROGRESS_EVERY_S)
