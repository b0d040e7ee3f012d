"""Texts of strangers, as people are shown them who decide by what they see."""

import json
from unicodedata import category

KEPT = "\n\t"
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
"""Letters and marks that nobody sees."""


def visible(text: str) -> str:
    """Return a text in which what cannot be seen, or would turn it around, stands as its escape.

    The escapes are those of JSON, so that JSON stays the same value. Spaces of all kinds and the
    ends of lines are left as they are.
    """
    if text.isprintable() and BLANK.isdisjoint(text):
        return text
    return "".join(json.dumps(each)[1:-1] if _is_hidden(each) else each for each in text)


def _is_hidden(character: str) -> bool:
    if character in KEPT:
        return False
    if character.isprintable():
        return character in BLANK
    kind = category(character)
    return kind[0] == "C" or kind in ("Zl", "Zp")
