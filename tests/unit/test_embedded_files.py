"""Files within JSON: which of its texts a schema declares to be some, and what they say."""

import base64
from typing import Any

import pytest

from bridge.formats.embedded_files import (
    FILES_MAX,
    VISITS_MAX,
    EmbeddedFile,
    declared_places,
    declares_files,
    find_files,
    read_file_text,
    replaced,
)
from bridge.models import Json

FILE = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}
TEXT = base64.b64encode(b"bytes").decode()


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "value", "places"),
    [
        (FILE, TEXT, [""]),
        (of(chart=FILE, title={"type": "string"}), {"chart": TEXT, "title": "x"}, ["/chart"]),
        (of(pages={"items": of(scan=FILE)}), {"pages": [{"scan": TEXT}, {}]}, ["/pages/0/scan"]),
        ({"prefixItems": [FILE, {}], "items": FILE}, [TEXT, TEXT, TEXT], ["/0", "/2"]),
        ({"additionalProperties": FILE}, {"a/b": TEXT}, ["/a~1b"]),
        ({"anyOf": [of(a=FILE), of(a={"type": "null"})]}, {"a": TEXT}, ["/a"]),
        ({"$defs": {"file": FILE}, **of(a={"$ref": "#/$defs/file"})}, {"a": TEXT}, ["/a"]),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, TEXT, []),
        (of(a={"$ref": "#/nowhere"}, b=FILE), {"a": TEXT}, []),
        (of(chart=FILE), {"chart": 1}, []),
        (of(chart=FILE), [TEXT], []),
        ({"contentEncoding": "quoted-printable"}, TEXT, []),
        (True, TEXT, []),
    ],
)
def test_files_are_where_the_schema_says(schema: Any, value: Json, places: list[str]) -> None:
    assert list(declared_places(schema, value)) == places


def test_a_union_of_kinds_within_each_other_is_looked_through_once() -> None:
    """A document of paragraphs within paragraphs would else take as long as its sender likes."""
    kinds = [of(kind={"const": kind}, child={"$ref": "#/$defs/node"}, src=FILE) for kind in "abcde"]
    value: Json = {"kind": "a", "src": TEXT}
    for _ in range(12):
        value = {"kind": "a", "child": value}
    schema = {"$defs": {"node": {"oneOf": kinds}}, "$ref": "#/$defs/node"}
    assert list(declared_places(schema, value)) == ["/child" * 12 + "/src"]


def test_no_more_of_a_value_is_looked_at_than_takes_a_moment() -> None:
    schema = {"items": of(a={"items": FILE})}
    value: list[Json] = [{"a": []} for _ in range(VISITS_MAX)]
    value = [{"a": [TEXT]}, *value, {"a": [TEXT]}]
    assert list(declared_places(schema, value)) == ["/0/a/0"]


def test_what_a_schema_declares_is_found_however_deep() -> None:
    assert declares_files({"allOf": [of(a={"items": FILE})]})
    assert not declares_files({"description": "contentEncoding: base64", "items": [1, None]})


def test_a_file_has_the_type_that_the_schema_or_its_own_text_gives_it() -> None:
    schema = of(a=FILE, b={"contentEncoding": "base64"}, c=FILE)
    value: Json = {"a": TEXT, "b": TEXT, "c": f"data:audio/wav;base64,{TEXT}"}
    assert find_files(schema, value) == [
        EmbeddedFile("/a", "image/png", b"bytes"),
        EmbeddedFile("/b", "application/octet-stream", b"bytes"),
        EmbeddedFile("/c", "audio/wav", b"bytes"),
    ]


def test_base64_may_be_broken_into_lines_and_anything_else_is_no_file() -> None:
    assert read_file_text("Ynl0\r\nZXM=\n") == (b"bytes", "")
    assert [read_file_text(text) for text in ("Ynl0ZXM", "Dear all", "Ynl0-_M=")] == [None] * 3


def test_no_more_files_are_looked_for_than_an_answer_names() -> None:
    assert len(find_files({"items": FILE}, [TEXT] * (FILES_MAX + 5))) == FILES_MAX


def test_other_texts_take_their_places_and_nothing_else_changes() -> None:
    value: Json = {"a": [{"b": TEXT}, 2], "c": {"d": None}}
    assert replaced(value, {"/a/0/b": "x"}) == {"a": [{"b": "x"}, 2], "c": {"d": None}}
    assert value == {"a": [{"b": TEXT}, 2], "c": {"d": None}}
    assert replaced(TEXT, {"": "x"}) == "x"
