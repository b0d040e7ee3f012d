"""How many files, connections above all, this process may have open at once."""

import logging
import resource

logger = logging.getLogger(__name__)

BESIDE_STREAMS = 1000
"""What a process needs for all but its standing streams: short requests, n8n, Redis."""


def make_room(streams: int) -> None:
    """Raise this process's limit so far that it can hold so many streams; say where it cannot."""
    wanted = streams + BESIDE_STREAMS
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        raised = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, most))
        if raised < wanted:
            logger.warning("files.few", extra={"open_files_max": raised, "wanted": wanted})
