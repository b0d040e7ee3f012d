"""The verb that notices a store which has lost what it held.

A store has a name, made with it, and numbers that only grow. Each process remembers them, and its
data folder, if there is one, does for the next one: under another name, or with smaller numbers,
the store was emptied, replaced, or set back to what it held before. Nothing can be done about that
here, so it is said as loud as can be, and the bridge goes on with what there is.
"""

import asyncio
import contextlib
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from bridge.ending import end
from bridge.errors import TransientError
from bridge.store.identity import Identity, IdentityStore

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0
REPLACED = (
    "the store is empty or another one than before: it was emptied (FLUSHALL), BRIDGE_REDIS_URL "
    "leads elsewhere, or a dump.rdb was put beside `appendonly yes`, which Redis does not read then"
)
SET_BACK = (
    "the store was set back: the last that it had taken is gone, by a restore, by a failover to a "
    "replica that was behind, or by a crash without `appendfsync always`"
)


class StoreLosses:
    """Knows which store this process has seen, and says when it is no longer that one."""

    def __init__(self, store: IdentityStore, data_dir: Path, url: str) -> None:
        self._store = store
        self._file = data_dir / f"store-{_digest(url)}"
        self._known: Identity | None = None
        self.said = ""
        """What this process has found lost, for whoever asks how it is."""

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at the start, and again and again while the block lasts."""
        self._known = self._remembered()
        with contextlib.suppress(TransientError):
            await self.look()
        looking = asyncio.create_task(self._look_again(), name="store-losses")
        try:
            yield
        finally:
            await end(looking)
            self._remember()

    async def look(self) -> None:
        """Compare the store with what is known of it, and remember it as it is now."""
        found = await self._store.read(secrets.token_hex(8))
        known, self._known = self._known, found
        if known is not None and found.name != known.name:
            self._say(REPLACED)
        elif known is not None and found.order < known.order:
            self._say(SET_BACK)
        if known is None or found.name != known.name:
            self._remember()

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            with contextlib.suppress(TransientError):
                await self.look()

    def _say(self, what: str) -> None:
        self.said = what
        logger.error("store.lost", extra={"reason": what})

    def _remembered(self) -> Identity | None:
        try:
            name, order = self._file.read_text().rsplit(" ", 1)
            return Identity(name, int(order))
        except (OSError, ValueError):
            return None

    def _remember(self) -> None:
        """Leave word for the next process, where there is a data folder to leave it in."""
        if self._known is not None and self._file.parent.is_dir():
            with contextlib.suppress(OSError):
                self._file.write_text(f"{self._known.name} {self._known.order}")


def _digest(url: str) -> str:
    """Return what tells addresses apart, whatever the password."""
    parts = urlsplit(url)
    place = f"{parts.netloc.rpartition('@')[2]}{parts.path}?{parts.query}"
    return hashlib.sha256(place.encode()).hexdigest()[:12]
