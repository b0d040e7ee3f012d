"""What a value can spare: members that are null, and what n8n wraps around what it hands on.

What is left out is never needed to be right: whatever a schema requires stays, and a value that
the rest would no longer satisfy stays whole.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bridge.models import Json

Schema = Mapping[str, Any]
Allows = Callable[[Json], bool]

_WEBHOOK = frozenset({"body", "executionMode", "headers", "params", "query", "webhookUrl"})
"""The members of an item that n8n's Webhook node gives."""

_WEBHOOK_ENVELOPE = frozenset({"executionMode", "headers", "webhookUrl"})
_WEBHOOK_PLACES = frozenset({"params", "query"})
"""Members that the node gives in every case, and of which empty ones say nothing."""

_ITEM_ENVELOPE = frozenset({"pairedItem"})


def prune(value: Json, schema: Schema | None, allows: Allows, *, hard: bool = False) -> Json:
    """Leave out members that are null, and those in which n8n tells of itself.

    An empty list, object or text may be what was asked for: it is left out only where `hard`.

    Nothing is moved and no list loses an item, so that a JSON Pointer into what is left means the
    same in the whole. Doing it twice changes nothing more.
    """
    spared = _spare(value, _Needed.of(schema, is_hard=hard))
    return spared if allows(spared) else value


def spare_envelopes(
    value: Json, schema: Schema | None, allows: Allows, *, hard: bool = False
) -> Json:
    """Leave out what `prune` does, and give n8n's items as their `json` alone."""
    needed = _Needed.of(schema, is_hard=hard)
    bare = _unwrap(_spare(value, needed))
    if "json" in needed.named or not allows(bare):
        return prune(value, schema, allows, hard=hard)
    return bare


class _Needed:
    """What must stay: members that a schema requires or speaks of, and empty ones, mostly."""

    def __init__(self, required: frozenset[str], named: frozenset[str], is_hard: bool) -> None:
        self.required = required
        self.named = named
        self._is_hard = is_hard

    @classmethod
    def of(cls, schema: Schema | None, *, is_hard: bool) -> "_Needed":
        """Gather the names from wherever in the schema they stand: one too many does no harm."""
        required = frozenset(_required(schema))
        return cls(required, required | frozenset(_described(schema)), is_hard)

    def spares(self, name: str, member: Json) -> bool:
        """Return whether a member can be left out for what it holds."""
        says_nothing = member is None or (self._is_hard and _is_empty(member))
        return says_nothing and name not in self.required


def _required(schema: Schema | None) -> Iterator[str]:
    for keyword, value in _keywords(schema):
        if keyword in ("required", "dependentRequired"):
            lists = value.values() if isinstance(value, Mapping) else [value]
            for names in filter(_is_list, lists):
                yield from filter(_is_text, names)


def _described(schema: Schema | None) -> Iterator[str]:
    for keyword, value in _keywords(schema):
        if keyword == "properties" and isinstance(value, Mapping):
            yield from value


def _keywords(part: Any) -> Iterator[tuple[str, Any]]:
    """Return everything in a schema that stands under a name, however deep."""
    for inner in part if isinstance(part, list) else ():
        yield from _keywords(inner)
    for key, inner in part.items() if isinstance(part, Mapping) else ():
        yield key, inner
        yield from _keywords(inner)


def _spare(value: Json, needed: _Needed) -> Json:
    if isinstance(value, list):
        return [_spare(item, needed) for item in value]
    if not isinstance(value, dict):
        return value
    lean = {name: _spare(member, needed) for name, member in value.items()}
    lean = {name: member for name, member in lean.items() if not needed.spares(name, member)}
    return {
        name: member for name, member in lean.items() if name not in _envelope(lean) - needed.named
    }


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_empty(value: Json) -> bool:
    return isinstance(value, str | list | dict) and not value


def _envelope(value: dict[str, Json]) -> frozenset[str]:
    """Name the members in which n8n tells of itself, if this is an item of its making."""
    if isinstance(value.get("json"), dict) and value.keys() == {"json", "pairedItem"}:
        return _ITEM_ENVELOPE
    if value.keys() >= _WEBHOOK_ENVELOPE and value.keys() <= _WEBHOOK:
        return _WEBHOOK_ENVELOPE | {name for name in _WEBHOOK_PLACES if _is_empty(value.get(name))}
    return frozenset()


def _unwrap(value: Json) -> Json:
    """Return lists of items, each an object with `json` alone, as the list of what is in them."""
    if isinstance(value, dict):
        return {name: _unwrap(member) for name, member in value.items()}
    if not isinstance(value, list):
        return value
    items = [_unwrap(item) for item in value]
    while items and all(_is_item(item) for item in items):
        items = [item["json"] for item in items if isinstance(item, dict)]
    return items


def _is_item(value: Json) -> bool:
    return isinstance(value, dict) and isinstance(value.get("json"), dict) and len(value) == 1
