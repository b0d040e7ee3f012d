"""JSON Schemas: which are sound, and what they say of a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Fault
from bridge.pointers import parts_of, pointer_to
from bridge.schemas import faults_in_schema, faults_in_value


def test_every_fault_of_a_value_is_named_by_its_pointer() -> None:
    schema = {
        "type": "object",
        "properties": {"a/b": {"type": "array", "items": {"type": "integer"}}},
        "required": ["a/b", "c", "d"],
    }
    assert set(faults_in_value(schema, {"a/b": [1, "x"]})) == {
        Fault("/a~1b/1", "'x' is not of type 'integer'"),
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
