"""A document as the model of its kind reads it, each fault with its place in the text."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bridge.configuration.documents import Document
from bridge.configuration.fields import Entry, rule_of
from bridge.configuration.findings import Finding
from bridge.configuration.rules import KEY_MISSING, VARIABLE_UNSET
from bridge.configuration.variables import FromEnvironment
from bridge.errors import Fault
from bridge.formats.pointers import parts_of

Read = TypeVar("Read", bound=Entry)
Keys = tuple[str, ...]

ROUNDS = 6
"""So often a document is read anew without what was found to be wrong in it."""

_STAND_INS = {
    "name": "s",
    "url": "http://127.0.0.1/",
    "auth": {"bearer": FromEnvironment("STAND_IN", "a-secret-that-is-none")},
}
"""What is read in place of what an entry needs, so that the rest of it can be judged."""


def read_entry(
    model: type[Read], document: Document, filled: Any, unfilled: tuple[Fault, ...]
) -> tuple[Read | None, list[Finding]]:
    """Read a document that was filled in, but for what is `unfilled`, and name what is wrong."""
    findings = [
        document.finding(VARIABLE_UNSET, parts_of(fault.pointer), fault.detail)
        for fault in unfilled
    ]
    try:
        return model.model_validate(filled, by_name=False), findings
    except ValidationError as error:
        # What could not be filled in was named already; what else is wrong with it is no news.
        known = {tuple(map(str, parts_of(fault.pointer))) for fault in unfilled}
        told = dict.fromkeys(
            document.finding(rule_of(details), details["loc"], details["msg"])
            for details in _all_errors(model, filled, error)
            if document.nearest(details["loc"]) not in known
        )
        return None, [*findings, *told]


def _all_errors(model: type[Entry], filled: Any, error: ValidationError) -> Iterator[ErrorDetails]:
    """Return every error of a value, with those that others had hidden.

    What several keys must be together is judged only where each of them is sound. So what is wrong
    is taken out, and the rest is read again; what is wrong only for want of it is no news.
    """
    found = error.errors(include_url=False)
    yield from found
    dropped: set[Keys] = set()
    for _ in range(ROUNDS):
        places = {_dropped_by(filled, details) for details in found} - dropped
        dropped |= places
        for place in places:
            filled = _without(filled, place)
        try:
            model.model_validate(filled, by_name=False)
        except ValidationError as more:
            found = more.errors(include_url=False)
            yield from (details for details in found if not _follows(filled, details, dropped))
        else:
            return


def _dropped_by(value: Any, details: ErrorDetails) -> Keys:
    """Return the keys that lead to what is wrong, or to the list that it stands in."""
    keys = _keys(value, details["loc"])
    if rule_of(details) is KEY_MISSING and str(details["loc"][-1]) in _STAND_INS:
        return (*keys, str(details["loc"][-1]))
    return keys


def _keys(value: Any, loc: Iterable[str | int]) -> Keys:
    """Return the keys of a value that a place is behind; what pydantic puts between is none."""
    keys: Keys = ()
    for part in loc:
        if isinstance(value, list):
            break
        if isinstance(value, dict) and str(part) in value:
            keys = (*keys, str(part))
            value = value[str(part)]
    return keys


def _without(value: Any, keys: Keys) -> Any:
    """Return a value without one of its members, or with what stands in for it."""
    if not keys or not isinstance(value, dict):
        return {}
    first, *rest = keys
    if rest:
        return {**value, first: _without(value.get(first), tuple(rest))}
    others = {key: member for key, member in value.items() if key != first}
    return {**others, first: _STAND_INS[first]} if first in _STAND_INS else others


def _follows(value: Any, details: ErrorDetails, dropped: set[Keys]) -> bool:
    """Report whether something is wrong only because of what was taken out."""
    loc, context = details["loc"], details.get("ctx") or {}
    whole = _keys(value, loc[: len(loc) - context["depth"]] if "depth" in context else loc)
    of = context.get("of")
    if of is None:
        return any(each[: len(whole)] == whole for each in dropped)
    near = [each[len(whole) :] for each in dropped if each[: len(whole)] == whole]
    return any(1 <= len(each) <= 2 and each[0] in of for each in near)
