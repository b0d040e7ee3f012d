"""Values are taken for what their senders meant, where only one thing can be meant."""

from typing import Any

import pytest

from bridge.schemas.checks import examine
from bridge.schemas.compile import compile_schema
from bridge.schemas.lenient import mended
from bridge.schemas.pool import CheckOptions

Json = Any

INTEGER = {"type": "integer"}
OBJECT = {"type": "object"}
OR_NULL = {"anyOf": [{"type": "object"}, {"type": "null"}]}
SPARE = ("sessionId", "tool", "toolCallId")


def of(*required: str, closed: bool = False, **properties: Json) -> Json:
    """Return the schema of an object."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return schema | {"additionalProperties": False} if closed else schema


@pytest.mark.parametrize(
    ("schema", "sent", "meant"),
    [
        (of(a={"type": "string"}), {"a": None}, {}),
        (of(a={"enum": ["x"]}, b=INTEGER), {"a": None, "b": 1}, {"b": 1}),
        (of(a=of(b=INTEGER, c=INTEGER)), {"a": {"b": 1, "c": None}}, {"a": {"b": 1}}),
        (of(a=OBJECT), {"a": '{"b": 1}'}, {"a": {"b": 1}}),
        (of(a={"type": "array"}), {"a": "[1]"}, {"a": [1]}),
        (of(a=INTEGER), {"a": "5"}, {"a": 5}),
        (of(a=INTEGER), {"a": "1234567890123456789"}, {"a": 1234567890123456789}),
        (of(a={"type": "number"}), {"a": " -0.5e1 "}, {"a": -5.0}),
        (of(a={"type": "boolean"}), {"a": "true"}, {"a": True}),
        (of(a={"enum": [1, 2]}), {"a": "2"}, {"a": 2}),
        (of(a={"const": 2}), {"a": "2"}, {"a": 2}),
        (of(a=OR_NULL), {"a": '{"b": 1}'}, {"a": {"b": 1}}),
        (of(a=OR_NULL), {"a": "null"}, {"a": None}),
        (of(a={"$ref": "#/$defs/n"}) | {"$defs": {"n": INTEGER}}, {"a": "5"}, {"a": 5}),
        (of(a={"type": "array", "items": INTEGER}), {"a": ["1", 2, "3"]}, {"a": [1, 2, 3]}),
        (of(a=of(b=of(c=INTEGER))), {"a": '{"b": "{\\"c\\": \\"5\\"}"}'}, {"a": {"b": {"c": 5}}}),
        (OBJECT, '{"a": 1}', {"a": 1}),
        (of(closed=True), {"toolCallId": "c"}, {}),
        ({"type": "object", "additionalProperties": False}, {"tool": "t", "sessionId": "s"}, {}),
        ({"unevaluatedProperties": False}, {"toolCallId": "c"}, {}),
        (of(closed=True, tool=OBJECT), {"tool": "{}", "toolCallId": "c"}, {"tool": {}}),
    ],
)
def test_what_can_be_meant_in_one_way_only_is_meant(schema: Json, sent: Json, meant: Json) -> None:
    assert mended(compile_schema(schema).validator, sent, SPARE) == meant


@pytest.mark.parametrize(
    ("schema", "sent", "pointer", "why"),
    [
        (of(a={"type": "array"}), {"a": "[1e999]"}, "/a", "the number 1e999 at /0 is beyond"),
        (of(a=OBJECT), {"a": '{"b":[0,-2e400]}'}, "/a", "the number -2e400 at /b/1 is beyond"),
        (of(a={"type": "number"}), {"a": "1e999"}, "/a", "the number 1e999 at (whole) is beyond"),
        (OBJECT, '{"a":1e999}', "", "the number 1e999 at /a is beyond"),
        (of(a=of(b=OBJECT)), {"a": '{"b":"{\\"c\\":1e999}"}'}, "/a/b", "the number 1e999 at /c is"),
        (of(a=OBJECT), {"a": "[" * 300 + "]" * 300}, "/a", "nested deeper than 200"),
        (of(a=OBJECT, b=INTEGER), {"a": '{"n":1e999}', "b": "5"}, "/a", "the number 1e999 at /n"),
    ],
)
def test_what_keeps_json_in_a_text_from_being_taken_is_named_with_its_place(
    schema: Json, sent: Json, pointer: str, why: str
) -> None:
    faults = [*examine(compile_schema(schema), sent, CheckOptions(lenient=True))][-1].faults
    told = [fault for fault in faults if fault.pointer == pointer]
    assert len(told) == 1
    assert why in told[0].detail


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        (of("a", a={"type": "string"}), {"a": None}),
        (of(a={"type": ["string", "null"]}), {"a": None}),
        (of(a={"type": "array", "items": INTEGER}), {"a": [None]}),
        (of(a={"type": ["integer", "string"]}), {"a": "5"}),
        (of(a={"anyOf": [INTEGER, {"type": "string"}]}), {"a": "5"}),
        (of(a={"anyOf": [INTEGER, {"minLength": 3}]}), {"a": "5"}),
        (of(a={}), {"a": "5", "b": None}),
        (of(a=INTEGER), {"a": "five"}),
        (of(a=INTEGER), {"a": '"5"'}),
        (of(a={"type": "number"}), {"a": "NaN"}),
        (of(a={"type": "number"}), {"a": "1e999"}),
        (of(a={"type": "boolean"}), {"a": "yes"}),
        (of(a=OBJECT), {"a": "[" * 5000}),
        (of(a={"type": "integer", "minimum": 6}), {"a": "5"}),
        (of(), {"toolCallId": "c"}),
        (of(closed=True), {"other": 1, "toolCallId": "c"}),
        (of(a=of(closed=True)), {"a": {"toolCallId": "c"}}),
        (OBJECT, None),
    ],
)
def test_what_is_allowed_or_can_be_meant_in_more_ways_stays_as_it_came(
    schema: Json, sent: Json
) -> None:
    assert mended(compile_schema(schema).validator, sent, SPARE) == sent
