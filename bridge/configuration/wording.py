"""How a fault in something that people wrote is put into words."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from pydantic_core import ErrorDetails

_PHRASES = {
    "model_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
}

_ALIKE = 0.65
"""So much of two words is the same where one is meant by the other."""

_CALLED = {"tools": "workflows", "webhooks": "hooks", "inputschema": "input", "schema": "input"}
"""What other programs call the keys of ours."""


def predicate(details: ErrorDetails) -> str:
    """Report what is wrong as the rest of a sentence whose subject is the faulty key.

    The rejected value is never repeated: it may be a secret.
    """
    if details["type"] == "missing":
        return f"needs `{details['loc'][-1]}`"
    said = _PHRASES.get(details["type"], details["msg"])
    return re.sub("^(Input|String|Value) should", "must", said.removeprefix("Value error, "))


def suggestion(name: str, known: Iterable[str]) -> str:
    """Name the known word that `name` was probably meant to be, else all of them."""
    words = sorted(known)
    near = get_close_matches(name, words, n=1, cutoff=_ALIKE)
    meant = _CALLED.get(name.lower())
    if not near and meant in words:
        near = [meant]
    return f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(words)}"
