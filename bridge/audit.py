"""The audit: a line of the log for every act, who did what to which, and how it ended.

No line holds a payload, a secret or a token; ids and names only. All are of the logger `audit`, so
that they can be kept apart from the others, and longer.
"""

import logging

logger = logging.getLogger("audit")

OPERATOR = "operator"
UNKNOWN = "unknown"
_LONGEST = 200


def record(who: str, what: str, which: str, outcome: str) -> None:
    """Put an act on record.

    Args:
        who: `server/principal`, `server/hooks/hook` for a sender, `operator`, or `unknown`.
        what: the tool, the command or the route.
        which: the id of what it was done to; empty where there is none.
        outcome: `done`, or what else became of it.
    """
    line = {"who": who, "what": what[:_LONGEST], "which": which[:_LONGEST], "outcome": outcome}
    logger.info("act", extra=line)
