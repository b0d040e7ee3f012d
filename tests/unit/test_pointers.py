"""JSON Pointers lead where they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.formats.pointers import parts_of, pointer_to

# RFC 6901, 5.
EXAMPLES = [
    ("", ()),
    ("/foo", ("foo",)),
    ("/foo/0", ("foo", "0")),
    ("/", ("",)),
    ("/a~1b", ("a/b",)),
    ("/c%d", ("c%d",)),
    ("/m~0n", ("m~n",)),
    ("/~01", ("~1",)),
]


@pytest.mark.parametrize(("pointer", "parts"), EXAMPLES)
def test_the_examples_of_the_rfc_are_read_and_written(pointer: str, parts: tuple[str, ...]) -> None:
    assert parts_of(pointer) == parts
    assert pointer_to(parts) == pointer


@given(st.lists(st.text()))
def test_any_parts_come_back_from_their_pointer(parts: list[str]) -> None:
    assert parts_of(pointer_to(parts)) == tuple(parts)


@pytest.mark.parametrize("text", ["a", "a/b", "#/a", "/~", "/~2", "/a~", "/~~0"])
def test_what_is_no_pointer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a JSON Pointer"):
        parts_of(text)
