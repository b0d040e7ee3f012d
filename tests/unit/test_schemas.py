"""JSON Schemas: which are sound, and what they say of a value."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Fault
from bridge.formats.pointers import parts_of, pointer_to
from bridge.schemas.compile import (
    DIALECTS,
    Cost,
    compile_schema,
    faults_in_schema,
    faults_in_value,
    unbounded_patterns,
)


def test_every_fault_of_a_value_is_named_by_its_pointer() -> None:
    schema = {
        "type": "object",
        "properties": {"a/b": {"type": "array", "items": {"type": "integer"}}},
        "required": ["a/b", "c", "d"],
    }
    assert set(faults_in_value(schema, {"a/b": [1, "x"]})) == {
        Fault("/a~1b/1", '"x" is not of type "integer"'),
        Fault("/c", "is required"),
        Fault("/d", "is required"),
    }


def test_a_long_value_is_not_repeated_whole() -> None:
    (fault,) = faults_in_value({"type": "integer"}, "x" * 10_000)
    assert len(fault.detail) < 400


def test_references_within_a_schema_are_followed() -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}
    assert faults_in_schema(schema) == ()
    assert faults_in_value(schema, 1) == ()
    assert faults_in_value(schema, "x")


def test_every_fault_of_a_schema_is_named_once() -> None:
    schema = {"type": "strin", "properties": {"a": 3}, "pattern": "("}
    pointers = [fault.pointer for fault in faults_in_schema(schema)]
    assert sorted(pointers) == ["/pattern", "/properties/a", "/type"]


def test_a_schema_that_is_nested_too_deeply_is_a_fault() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"a": schema}}
    (fault,) = faults_in_schema(schema)
    assert "nested too deeply" in fault.detail


@pytest.mark.parametrize(
    "reference", ["https://example.com/s", "other.json", "#/$defs/none", "#anchor"]
)
def test_a_reference_to_elsewhere_or_nowhere_is_a_fault(reference: str) -> None:
    (fault,) = faults_in_schema({"items": {"$ref": reference}})
    assert fault.pointer == "/items/$ref"


def test_what_only_looks_like_a_reference_is_none() -> None:
    data = {"$ref": "https://example.com"}
    assert faults_in_schema({"const": data, "examples": [data], "enum": [data]}) == ()
    assert faults_in_schema({"properties": {"$ref": {"type": "string"}}}) == ()


@given(st.lists(st.text()))
def test_a_pointer_is_read_back_as_it_was_written(parts: list[str]) -> None:
    assert parts_of(pointer_to(parts)) == tuple(parts)


@pytest.mark.parametrize("text", ["a", "a/b", "/~", "/~2", "/a~"])
def test_what_only_looks_like_a_pointer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a JSON Pointer"):
        parts_of(text)


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"type": ["integer", "null"]}, "x", '"x" is not of type'),
        ({"enum": [1, "a"]}, 2, '2 is not one of [1, "a"]'),
        ({"const": {"a": 1}}, 2, '{"a": 1} was expected'),
        ({"minLength": 1}, "", '"" should be non-empty'),
        ({"minLength": 3}, "a", '"a" is too short'),
        ({"maxLength": 3}, "abcd", '"abcd" is too long'),
        ({"pattern": "^a$"}, "b", '"b" does not match "^a$"'),
        ({"pattern": "^(?=a)"}, "b", '"b" does not match "^(?=a)"'),
        ({"maxItems": 0}, [1], "[1] is expected to be empty"),
        ({"minProperties": 2}, {}, "{} does not have enough properties"),
        ({"minimum": 5}, 3, "3 is less than the minimum of 5"),
        ({"exclusiveMaximum": 5}, 5, "5 is greater than or equal to the maximum of 5"),
        ({"multipleOf": 0.5}, 0.3, "0.3 is not a multiple of 0.5"),
        ({"uniqueItems": True}, [1, 1], "[1, 1] has non-unique elements"),
        ({"anyOf": [{"type": "null"}]}, 1, "1 is not valid under any of the given schemas"),
        ({"not": {"type": "integer"}}, 1, '1 should not be valid under {"type": "integer"}'),
        ({"contains": {"const": 2}}, [1], "[1] does not contain items matching the given schema"),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, '"ab" is too long'),
        ({"additionalProperties": False}, {"a": 1}, 'Additional properties are not allowed ("a"'),
        ({"properties": {"a": False}}, {"a": 1}, "False schema does not allow 1"),
        ({"type": "string"}, None, "null is not of type"),
        ({"type": "string"}, [True, None, "ä"], '[true, null, "ä"] is not of type "string"'),
        ({"type": "string"}, Decimal("0.1234567890123456789"), "0.1234567890123456789 is not of"),
        ({"enum": [None, False]}, "a\n\u202e", r'"a\n\u202e" is not one of [null, false]'),
        ({"const": True}, 1, "true was expected"),
        ({"not": {"const": None}}, None, 'null should not be valid under {"const": null}'),
        ({"maxLength": 9}, "x" * 500, f'"{"x" * 159}… is too long'),
    ],
)
def test_a_fault_is_told_in_the_words_that_people_know(
    schema: dict[str, object], value: object, said: str
) -> None:
    assert [fault.detail[: len(said)] for fault in faults_in_value(schema, value)] == [said]


PATTERNS = [
    (r"^[\p{L}\p{N} _-]+$", "Zoë 7", "a/b"),
    (r"^(?<y>\d{4})-(?<m>\d{2})$", "2026-11", "٢٠٢٦-11"),
    (r"^\w+$", "abc", "abcé"),
    (r"^a$", "a", "a\n"),
    (r"^[^[]+$", "a", "["),
    (r"^[^]$", "\n", ""),
    (r"^\uD83D\uDE00$", "\U0001f600", "\U0001f601"),
    (r"^(?!b)\w$", "a", "é"),
    (r"^(?<q>['\"]).*\k<q>$", "'a'", "'a\""),
    (r"^{{.+}}$", "{{a}}", "a"),
]


@pytest.mark.parametrize(("pattern", "fits", "breaks"), PATTERNS)
def test_patterns_are_those_of_ecma_262(pattern: str, fits: str, breaks: str) -> None:
    schema = {"pattern": pattern}
    assert faults_in_schema(schema) == ()
    assert faults_in_value(schema, fits) == ()
    assert faults_in_value(schema, breaks)


def test_what_no_pattern_of_ecma_262_is_is_a_fault() -> None:
    for pattern in ("(", "[b-a]", "a{2,1}", "*a"):
        (fault,) = faults_in_schema({"properties": {"a": {"pattern": pattern}}})
        assert fault.pointer == "/properties/a/pattern"


TUPLE = {"items": [{"type": "string"}, {"type": "integer"}]}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_schema_is_of_the_draft_that_it_names(name: str) -> None:
    before_2020 = "2020" not in name
    for spelled in (f"http://{name}", f"https://{name}#"):
        schema = {"$schema": spelled, **TUPLE}
        assert bool(faults_in_schema(schema)) != before_2020
        if before_2020:
            assert not faults_in_value(schema, ["a", 1])
            assert faults_in_value(schema, ["a", "b"])


def test_an_unknown_draft_is_a_fault() -> None:
    (fault,) = faults_in_schema({"$schema": "https://example.com/mine"})
    assert fault.pointer == "/$schema"
    assert "2020-12" in fault.detail


def test_formats_are_not_checked_in_any_draft() -> None:
    for known in DIALECTS.values():
        assert not faults_in_value({"$schema": known, "format": "date"}, "no date")


@pytest.mark.parametrize(
    ("schema", "cost"),
    [
        ({"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {}}}, Cost.NAMED),
        ({"items": {"type": "string"}}, Cost.PLAIN),
        ({"properties": {"a": {}}, "additionalProperties": False}, Cost.PLAIN),
        ({"items": {"multipleOf": 0.01}}, Cost.PER_UNIT),
        ({"items": {"$ref": "#"}}, Cost.UNBOUNDED),
        (
            {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/a"}}}},
            Cost.UNBOUNDED,
        ),
        ({"items": {"$dynamicRef": "#x"}, "$dynamicAnchor": "x"}, Cost.UNBOUNDED),
        ({"items": {"pattern": "(?=a)"}}, Cost.UNBOUNDED),
        ({"patternProperties": {"(a)\\1": {}}}, Cost.UNBOUNDED),
        ({"items": {"uniqueItems": True}}, Cost.PER_UNIT),
        ({"enum": [1, {"a": 1}]}, Cost.PER_UNIT),
        ({"enum": [1, "a"]}, Cost.NAMED),
    ],
)
def test_what_a_check_may_cost_is_known_before(schema: dict[str, object], cost: Cost) -> None:
    assert compile_schema(schema).cost is cost


def test_patterns_that_are_not_matched_in_linear_time_are_known_by_their_places() -> None:
    schema = {
        "properties": {
            "a": {"pattern": "(?=a)"},
            "b": {"pattern": "^(a+)+$"},
            "c": {"pattern": "("},
        },
        "patternProperties": {"(a)\\1": {}},
        "enum": [{"pattern": "(?=a)"}],
    }
    assert list(unbounded_patterns(schema)) == [
        (("properties", "a", "pattern"), "(?=a)"),
        (("patternProperties", "(a)\\1"), "(a)\\1"),
    ]
