"""What a client has asked and is not answered yet, on a wire that has it all in one process."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any


class UnderWay:
    """The requests of one client, each served beside the others, no more than `most` at once."""

    def __init__(self, most: int) -> None:
        self._room = asyncio.Semaphore(most)
        self._serving: dict[str | int, asyncio.Task[None]] = {}

    @property
    def tasks(self) -> Iterable[asyncio.Task[None]]:
        """Give what serves them."""
        return self._serving.values()

    async def start(
        self, request_id: str | int, serve: Callable[[], Coroutine[Any, Any, None]]
    ) -> asyncio.Task[None] | None:
        """Serve a request as soon as there is room; None when its id is under way already."""
        await self._room.acquire()
        if request_id in self._serving:
            self._room.release()
            return None
        serving = self._serving[request_id] = asyncio.create_task(serve())
        serving.add_done_callback(lambda _: self._is_served(request_id))
        return serving

    def cancel(self, request_id: object) -> None:
        """Serve a request no further; one that is not under way has been answered or never was."""
        serving = self._serving.get(request_id) if isinstance(request_id, str | int) else None
        if serving is not None:
            serving.cancel()

    async def end(self, within_s: float) -> None:
        """Wait until all are answered, for so long at most."""
        if self._serving:
            await asyncio.wait(self._serving.values(), timeout=within_s)

    def _is_served(self, request_id: str | int) -> None:
        del self._serving[request_id]
        self._room.release()
