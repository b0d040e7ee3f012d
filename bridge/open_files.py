"""How many files, connections above all, this process may have open at once."""

import logging
import resource
import time

logger = logging.getLogger(__name__)

BESIDE_STREAMS = 1000
"""What a process needs for all but its standing streams: short requests, n8n, Redis."""

KEPT_FREE = 64
"""What no connection from outside may take, where the limit allows for that much: Redis and n8n
must be reached however many strangers connect."""

SAY_AGAIN_S = 60.0


def make_room(streams: int) -> None:
    """Raise this process's limit so far that it can hold so many streams; say where it cannot."""
    wanted = streams + BESIDE_STREAMS
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        raised = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, most))
        if raised < wanted:
            logger.warning("files.few", extra={"open_files_max": raised, "wanted": wanted})


class OpenFiles:
    """Watches for the limit, which the event loop meets without a word.

    libuv accepts and closes what comes when a process may open no more files. A new file gets the
    lowest number that is free (POSIX, 2.14), so a number near the limit says that all below it are
    taken.
    """

    def __init__(self) -> None:
        self._say_at = 0.0

    def has_room(self, file: int) -> bool:
        """Report whether the file just opened leaves enough free; log, at times, if it does not."""
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if allowed == resource.RLIM_INFINITY or file < allowed - min(KEPT_FREE, allowed // 4):
            return True
        now = time.monotonic()
        if now >= self._say_at:
            self._say_at = now + SAY_AGAIN_S
            logger.error("files.exhausted", extra={"open_files_max": allowed})
        return False
