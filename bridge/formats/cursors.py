"""Cursors: how far a client has read a list."""

import re

from bridge.errors import MalformedError


def order_after(cursor: str | None) -> int:
    """Return the order number that a page starts behind; 0 without a cursor, or with an empty one.

    Raises:
        MalformedError: no list ever gave this cursor.
    """
    if not cursor:
        return 0
    if not re.fullmatch(r"[0-9]{1,17}", cursor):
        raise MalformedError("this is no cursor: take next_cursor as it came, or leave it out")
    return int(cursor)
