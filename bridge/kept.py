"""What is kept of a request beside its payload: data from outside, without its secrets."""

import re
from typing import Protocol

from bridge.charsets import UTF_8
from bridge.forms import decode_field, read_urlencoded
from bridge.models import Json
from bridge.scrub import MARK
from bridge.secret_names import names_a_secret
from bridge.servers import Hook


class Headers(Protocol):
    """The headers of a request, by name in any case."""

    def getlist(self, key: str) -> list[str]:
        """Return all values of a header."""
        ...


def kept_beside(hook: Hook, headers: Headers, query: bytes) -> dict[str, Json]:
    """Return what a hook keeps of a request: `headers` by name, `query` by parameter.

    Parameters whose name says that they are secrets, and addresses with such ones, are masked.

    Raises:
        MalformedError: the query is in no charset.
    """
    if hook.keep is None:
        return {}
    found: dict[str, Json] = {
        name: ", ".join(map(_text, values))
        for name in hook.keep.headers
        if (values := headers.getlist(name))
    }
    asked = read_urlencoded(query) if hook.keep.query else {}
    parts = (("headers", _masked(found)), ("query", _masked(asked)))
    return {name: part for name, part in parts if part}


def _masked(values: dict[str, Json]) -> dict[str, Json]:
    return {
        name: MARK if names_a_secret(name) or _holds_a_secret(value) else value
        for name, value in values.items()
    }


def _holds_a_secret(value: Json) -> bool:
    """Report whether a value is an address that carries a secret of its own."""
    if isinstance(value, list):
        return any(map(_holds_a_secret, value))
    address, _, query = str(value).partition("?")
    has_user = re.search("://[^/@]*@", address) is not None
    return has_user or any(names_a_secret(part.partition("=")[0]) for part in query.split("&"))


def _text(value: str) -> str:
    """Return a header's value, which comes as one character a byte."""
    return decode_field(value.encode("latin-1"), (UTF_8, "latin-1"), "a header")
