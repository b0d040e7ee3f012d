"""The one text of a JSON value, by which equal values are told from others."""

from typing import Any

import rfc8785

from bridge.formats.json_text import encode


def canonical(value: Any) -> bytes:
    """Return the canonical text of a value (RFC 8785).

    Values that have none there, such as integers beyond 2^53, or texts with half a character, are
    equal to the digit.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        return encode(value, sort_keys=True)
