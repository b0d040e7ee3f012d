"""What the process that checks values answers, on pipes that a test holds."""

import io
from typing import Any

import pytest

from bridge.errors import Fault
from bridge.formats.json_text import decode, encode
from bridge.schemas.pool import CheckResult, read_verdict
from bridge.schemas.process import serve


def verdicts(schema: Any, value: Any, *, lenient: bool = False) -> list[CheckResult]:
    """Ask whether a value fits; return every verdict, of which the last one is the best."""
    contents = [encode(schema), encode(value)]
    asked = {
        "schema": len(contents[0]),
        "value": len(contents[1]),
        "lenient": lenient,
        "spare": [],
    }
    said = io.BytesIO()
    serve(io.BytesIO(encode(asked) + b"\n" + b"".join(contents)), said)
    said.seek(0)
    found = []
    while length := int(said.readline()):
        found.append(read_verdict(said.read(length), decode(contents[1])))
    assert said.read() == b""
    return found


def test_a_value_that_fits_is_valid_and_not_repeated() -> None:
    assert verdicts({"type": "integer"}, 7)[-1] == CheckResult(True, 7)


def test_what_was_meant_is_told_where_that_is_asked_for() -> None:
    schema = {"properties": {"n": {"type": "integer"}}}
    assert verdicts(schema, {"n": "7"}, lenient=True)[-1] == CheckResult(True, {"n": 7})
    assert not verdicts(schema, {"n": "7"})[-1].is_valid


@pytest.mark.parametrize(
    ("schema", "value", "detail"),
    [
        (
            {"contains": {"type": "integer"}, "minContains": 2},
            [1, "x"],
            "Too few items match the given schema",
        ),
        (
            {"contains": {"type": "integer"}, "maxContains": 1},
            [1, 2],
            "Too many items match the given schema",
        ),
        (
            {"contains": {"type": "integer"}},
            ["x"],
            '["x"] does not contain items matching the given schema',
        ),
    ],
)
def test_a_count_that_is_wrong_is_told_as_that(schema: Any, value: Any, detail: str) -> None:
    assert verdicts(schema, value)[-1].faults == (Fault("", detail),)


def test_first_faults_of_a_large_value_are_told_before_all_were_looked_for() -> None:
    schema = {
        "properties": {
            "few": {"items": {"type": "string"}},
            "many": {"items": {"type": "integer"}, "minItems": 5000},
        }
    }
    value = {"few": [1], "many": [*range(6000), "x"]}
    *before, last = verdicts(schema, value)
    first = Fault("/few/0", '1 is not of type "string"')
    assert any(each.faults == (first,) for each in before)
    assert last.faults == (first, Fault("/many/6000", '"x" is not of type "integer"'))
