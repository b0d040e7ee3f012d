"""Patterns as JSON Schema means them: regular expressions of ECMA 262 that may match anywhere.

Most are matched in time linear in the text. Look-around and back-references cannot be, and are left
to an engine that tries all there is to try; so are a few rare forms that only that one reads.

Source: JSON Schema 2020-12 Core, 6.4.
"""

import functools
import re
from collections.abc import Callable

import jsonschema_rs
import regress
from jsonschema_rs import RegexOptions

from bridge.exact_json import show

LINEAR = RegexOptions()

PATTERN_CHARS_SHOWN = 300


@functools.cache
def is_linear(pattern: str) -> bool:
    """Return whether a pattern can be matched in linear time."""
    try:
        _linear(pattern)
    except jsonschema_rs.ValidationError:
        return False
    return True


@functools.cache
def is_pattern(pattern: object) -> bool:
    """Return whether this is a pattern at all; what is no text is none that could be wrong."""
    if not isinstance(pattern, str) or is_linear(pattern):
        return True
    try:
        _backtracking(pattern)
    except regress.RegressError:
        return False
    return True


@functools.cache
def is_portable(pattern: str) -> bool:
    """Return whether JavaScript, with its flag u, and Python can both read a pattern."""
    try:
        regress.Regex(pattern, "u")
        re.compile(pattern)
    except (regress.RegressError, re.error):
        return False
    return True


class EcmaPattern:
    """The keyword `pattern`, for schemas with one that cannot be matched in linear time."""

    def __init__(self, _parent: object, pattern: str, _place: object) -> None:
        self._pattern = pattern
        self._matches: Callable[[str], bool]
        if is_linear(pattern):
            self._matches = _linear(pattern).is_valid
        else:
            backtracking = _backtracking(pattern)
            self._matches = lambda text: backtracking.find(text) is not None

    def validate(self, value: object) -> None:
        """Accept what is no text, or matches.

        Raises:
            ValueError: it does not match.
        """
        if isinstance(value, str) and not self._matches(value):
            raise ValueError(f"does not match {show(self._pattern, PATTERN_CHARS_SHOWN)}")


def _linear(pattern: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        {"type": "string", "pattern": pattern}, pattern_options=LINEAR, offline=True
    )


def _backtracking(pattern: str) -> regress.Regex:
    """Read a pattern as one of Unicode, or else as the web reads old ones (ECMA 262, Annex B)."""
    try:
        return regress.Regex(pattern, "u")
    except regress.RegressError:
        return regress.Regex(pattern)
