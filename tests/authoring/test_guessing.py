"""What is guessed of a value that was seen: a schema for values like it, without the value."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.authoring.guessing import schema_of
from bridge.schemas.compile import faults_in_value

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values, max_size=4))
def test_a_value_satisfies_the_schema_that_is_guessed_of_it(value: dict[str, Any]) -> None:
    assert faults_in_value(schema_of(value), value) == ()
