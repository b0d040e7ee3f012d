"""What is left out is what nobody needs, and what is left is as it was."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.formats.json_text import encode, spell
from bridge.formats.payloads import holds_spareable, prune, resolve, spare_envelopes
from bridge.formats.pointers import pointer_to
from bridge.models import Json
from bridge.schemas.checks import SchemaCache

Spare = Any
SPARES = pytest.mark.parametrize("spare", [prune, spare_envelopes])


def webhook_item(body: Json) -> dict[str, Json]:
    return {
        "headers": {"host": "n8n"},
        "params": {},
        "query": {},
        "body": body,
        "webhookUrl": "http://n8n/webhook/a",
        "executionMode": "production",
    }


NAMES = ["a", "b", "json", "pairedItem", "headers", "webhookUrl", "executionMode", "body", "query"]
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
        | st.builds(lambda it: {"json": {"a": it}, "pairedItem": {"item": 0}}, inner)
        | st.builds(lambda it: [{"json": {"b": it}}], inner)
        | st.builds(webhook_item, inner)
    ),
    max_leaves=12,
)
TYPES = ["object", "array", "string", "null", "integer"]
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.builds(lambda kind: {"type": kind}, st.sampled_from(TYPES)) | st.just({}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
            "required": st.lists(st.sampled_from(NAMES), max_size=3, unique=True),
            "dependentRequired": st.dictionaries(
                st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), unique=True), max_size=1
            ),
            "additionalProperties": inner,
            "items": inner,
            "minProperties": st.integers(0, 3),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    ),
    max_leaves=5,
)


def spared(
    spare: Spare, value: Json, schema: dict[str, Any] | None = None, *, hard: bool = False
) -> Json:
    cache = SchemaCache()
    left: Json = spare(value, schema, lambda lean: cache.allows(schema, lean), hard=hard)
    return left


def places(value: Json, at: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Json]]:
    inner: list[tuple[str | int, Json]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    if isinstance(value, list):
        inner = list(enumerate(value))
    return [(at, value)] + [found for key, it in inner for found in places(it, (*at, key))]


def scalars(value: Json) -> list[Json]:
    return [it for _, it in places(value) if not isinstance(it, list | dict)]


@SPARES
@given(value=VALUES, schema=st.none() | SCHEMAS, hard=st.booleans())
def test_doing_it_twice_changes_nothing_more(
    spare: Spare, value: Json, schema: dict[str, Any] | None, hard: bool
) -> None:
    once = spared(spare, value, schema, hard=hard)
    assert spared(spare, once, schema, hard=hard) == once


@SPARES
@given(value=VALUES, schema=SCHEMAS, hard=st.booleans())
def test_what_satisfied_its_schema_still_does(
    spare: Spare, value: Json, schema: dict[str, Any], hard: bool
) -> None:
    cache = SchemaCache()
    if cache.allows(schema, value):
        assert cache.allows(schema, spared(spare, value, schema, hard=hard))


@SPARES
@given(value=VALUES)
def test_no_scalar_is_changed_and_none_appears(spare: Spare, value: Json) -> None:
    left = scalars(spared(spare, value))
    before = scalars(value)
    for scalar in left:
        before.pop(
            next(i for i, it in enumerate(before) if it is scalar or repr(it) == repr(scalar))
        )


@given(value=VALUES, hard=st.booleans())
def test_a_pointer_into_what_is_left_means_the_same_in_the_whole(value: Json, hard: bool) -> None:
    for place, left in places(spared(prune, value, hard=hard)):
        whole = resolve(value, pointer_to(place))
        assert type(whole) is type(left)
        assert isinstance(whole, list | dict) or whole == left
        if isinstance(left, list):
            assert isinstance(whole, list)
            assert len(whole) == len(left)


MEMBERS: Json = {"a": None, "b": "", "c": [], "d": {}, "e": {"f": None}, "g": 0, "h": False}


@SPARES
def test_null_is_left_out_and_what_is_empty_may_be_the_answer(spare: Spare) -> None:
    left = {"b": "", "c": [], "d": {}, "e": {}, "g": 0, "h": False}
    assert spared(spare, MEMBERS) == left
    assert spared(spare, {"matches": [], "count": 0}) == {"matches": [], "count": 0}
    assert spared(spare, {"x": ""}) == {"x": ""}


@SPARES
def test_a_server_may_spare_empty_members_too_but_never_zero_and_false(spare: Spare) -> None:
    assert spared(spare, MEMBERS, hard=True) == {"g": 0, "h": False}


def test_a_list_keeps_every_item_in_its_place() -> None:
    assert spared(prune, [None, "", {"a": None}, 1]) == [None, "", {}, 1]


def test_what_the_schema_requires_stays_however_empty() -> None:
    schema = {"items": {"$ref": "#/$defs/row"}, "$defs": {"row": {"required": ["note"]}}}
    value: Json = [{"note": None, "tags": []}]
    assert spared(prune, value, schema, hard=True) == [{"note": None}]


def test_a_value_that_would_no_longer_satisfy_its_schema_stays_whole() -> None:
    assert spared(prune, {"a": None, "b": 1}, {"minProperties": 2}) == {"a": None, "b": 1}


def test_of_a_webhook_item_the_request_is_left() -> None:
    item: Json = {**webhook_item({"order": 7}), "query": {"page": "2"}}
    assert spared(prune, item) == {"body": {"order": 7}, "query": {"page": "2"}}


def test_headers_that_a_schema_speaks_of_stay() -> None:
    schema = {"properties": {"headers": {"type": "object"}}}
    left = spared(prune, webhook_item({"order": 7}), schema)
    assert left == {"body": {"order": 7}, "headers": {"host": "n8n"}}


def test_headers_of_anything_but_a_webhook_item_stay() -> None:
    value: Json = {"label": "x", "headers": {"host": "n8n"}}
    assert spared(prune, value) == value


def test_of_n8n_s_items_only_what_is_in_them_is_left() -> None:
    items: Json = [{"json": {"id": at}, "pairedItem": {"item": at}} for at in range(2)]
    assert spared(spare_envelopes, items) == [{"id": 0}, {"id": 1}]
    assert spared(prune, items) == [{"json": {"id": 0}}, {"json": {"id": 1}}]


def test_items_with_files_stay_items() -> None:
    items: Json = [{"json": {"id": 1}, "binary": {"data": {"mimeType": "image/png"}}}]
    assert spared(spare_envelopes, items) == items


def test_items_that_a_schema_speaks_of_stay_items() -> None:
    schema = {"items": {"properties": {"json": {"type": "object"}}}}
    items: Json = [{"json": {"id": 1, "note": None}}]
    assert spared(spare_envelopes, items, schema) == [{"json": {"id": 1}}]


@given(value=VALUES, schema=st.none() | SCHEMAS)
def test_what_seems_to_hold_nothing_to_leave_out_is_left_as_it_is(
    value: Json, schema: dict[str, Any] | None
) -> None:
    for text in (encode(value), spell(value).encode()):
        assert holds_spareable(text) or spared(prune, value, schema) == value


def test_names_and_nulls_are_found_however_they_are_spelled() -> None:
    for text in (b'{"a":null}', b'{"json":{},"pairedItem":0}', rb'{"json":{},"p\u0061iredItem":0}'):
        assert holds_spareable(text)
