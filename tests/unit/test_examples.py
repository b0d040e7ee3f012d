"""A value for a schema: what the schema says of itself, else the simplest that it allows."""

from typing import Any

import pytest

from bridge.schemas.compile import faults_in_value
from bridge.schemas.examples import example_of

DEFINED = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}
ENDLESS = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
WITHIN_ITSELF = {
    "type": "object",
    "properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}},
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object"}, {}),
        ({"properties": {"a": {"type": "boolean"}}}, {"a": True}),
        ({"type": "string", "examples": ["HELLO"], "default": "x"}, "x"),
        ({"examples": [{"a": 1}]}, {"a": 1}),
        ({"enum": ["b", "c"]}, "b"),
        ({"const": None}, None),
        ({"type": ["string", "null"]}, "text"),
        ({"type": "string", "minLength": 6}, "text.."),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "number", "maximum": -1}, -1),
        ({"type": "array"}, []),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, 1),
        ({"allOf": [{"type": "object"}, {"properties": {"a": {"const": 2}}}]}, {"a": 2}),
        (DEFINED, "text"),
        ({"$ref": "#/nowhere"}, None),
        (ENDLESS, None),
        (True, None),
        ({"type": "null"}, None),
    ],
)
def test_a_schema_has_its_example(schema: Any, value: Any) -> None:
    assert example_of(schema) == value


def test_a_schema_that_holds_itself_has_an_end() -> None:
    value = example_of(WITHIN_ITSELF)
    assert value["next"]["next"]["n"] == 1
    assert "next" in value["next"]


def test_an_example_is_a_guess_and_checked_by_nobody() -> None:
    assert faults_in_value(DEFINED, example_of(DEFINED)) == ()
    bare = {"type": "array", "minItems": 1}
    assert faults_in_value(bare, example_of(bare)) != ()
