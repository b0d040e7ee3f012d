"""What people decide by is what they see: nothing in a text hides or turns it around."""

import json

import pytest

from bridge.formats.canonical import canonical
from bridge.formats.json_text import spell
from bridge.formats.visible import visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Grüße, 世界 👋", "Grüße, 世界 👋"),
        ("two\nlines\tand a wide\u00a0space", "two\nlines\tand a wide\u00a0space"),
        ("pay \u202e001 EUR", "pay \\u202e001 EUR"),
        ("\u2066a\u2069\u200b\ufeff\u00ad", "\\u2066a\\u2069\\u200b\\ufeff\\u00ad"),
        ("\x1b[2J\x07\r\x00\x7f\x9b", "\\u001b[2J\\u0007\\r\\u0000\\u007f\\u009b"),
        ("a\u2028b\u2029c\ud800", "a\\u2028b\\u2029c\\ud800"),
        ("a\u3164b\u034fc", "a\\u3164b\\u034fc"),
        ("\U000e0041tag", "\\udb40\\udc41tag"),
    ],
)
def test_what_cannot_be_seen_stands_as_its_escape(text: str, seen: str) -> None:
    assert visible(text) == seen


def test_json_stays_the_same_value() -> None:
    value = {"to\u202e": "\u200bann\x1b", "n": [1, "\U000e0041"]}
    assert json.loads(visible(spell(value))) == value


def test_half_a_character_has_one_text_too() -> None:
    """JSON may name a member by half of a pair; RFC 8785 has no text of that."""
    one, other = canonical({"\ud800": 1}), canonical({"\udfff": 1})
    assert one == canonical({"\ud800": 1}) != other
