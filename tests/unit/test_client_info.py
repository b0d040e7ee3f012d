"""What a handshake says of its client is kept as far as any client would say it."""

import pytest

from bridge.mcp.wires.client_info import (
    CAPABILITIES_MAX,
    CAPABILITY_BYTES,
    NAME_CHARS,
    kept_capabilities,
    kept_info,
    kept_name,
)


@pytest.mark.parametrize("said", [None, "claude", 7, ["name"]])
def test_what_is_no_object_is_not_kept(said: object) -> None:
    assert kept_info(said) is kept_capabilities(said) is None


def test_names_are_kept_and_cut_where_they_are_long() -> None:
    said = {"name": "n" * 1000, "version": "1", "title": 7, "icons": ["x" * 1000]}
    assert kept_info(said) == {"name": "n" * NAME_CHARS, "version": "1"}


def test_two_long_names_are_two_clients() -> None:
    assert kept_name("claude") == "claude"
    long_names = {kept_name("n" * 1000 + each) for each in "ab"}
    assert len(long_names) == 2
    assert all(len(name) <= NAME_CHARS for name in long_names)


def test_capabilities_are_kept_but_for_those_that_are_too_long_or_too_many() -> None:
    said = {"sampling": {}, "long": "x" * CAPABILITY_BYTES, "n" * 1000: {}}
    assert kept_capabilities(said) == {"sampling": {}}
    many: dict[str, dict[str, object]] = {f"c{n}": {} for n in range(100)}
    assert kept_capabilities(many) == dict(list(many.items())[:CAPABILITIES_MAX])
