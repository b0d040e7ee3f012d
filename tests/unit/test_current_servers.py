"""The servers of a process, and those that they replaced."""

from types import SimpleNamespace

import pytest

from bridge.configuration import current
from bridge.configuration.current import Servers
from bridge.configuration.servers import Server

OLD = Server(name="desk", title="Old")
NEW = Server(name="desk", title="New")
LONG = {"url": "http://127.0.0.1/webhook/x", "description": "Runs.", "input": {"type": "object"}}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return a clock that stands until it is set."""
    standing = SimpleNamespace(now_s=0.0)
    clock = SimpleNamespace(monotonic=lambda: standing.now_s)
    monkeypatch.setattr(current, "time", clock)
    return standing


def with_tool(title: str, timeout: str = "1h") -> Server:
    workflow = {**LONG, "timeout": timeout}
    return Server.model_validate({"name": "desk", "title": title, "workflows": {"run": workflow}})


def test_who_shares_them_sees_a_replacement_at_once() -> None:
    servers = Servers({"desk": OLD})
    shared = Servers.of(servers)
    servers.replace({"desk": NEW, "shop": Server(name="shop")})
    assert shared["desk"] is NEW
    assert list(shared) == ["desk", "shop"]


def test_a_server_that_is_the_same_stays_the_very_object() -> None:
    servers = Servers({"desk": OLD})
    merged = servers.merged({"desk": Server(name="desk", title="Old"), "shop": Server(name="shop")})
    assert merged["desk"] is OLD
    assert servers.merged({"desk": NEW})["desk"] is NEW


def test_what_has_begun_before_finds_the_server_as_it_was_then(clock: SimpleNamespace) -> None:
    first, second, third = (with_tool(title) for title in ("first", "second", "third"))
    servers = Servers({"desk": first})
    clock.now_s = 10
    servers.replace({"desk": second})
    clock.now_s = 20
    servers.replace({"desk": third})
    assert servers.as_of("desk", 11) is first
    assert servers.as_of("desk", 9) is second
    assert servers.as_of("desk", 0) is third


def test_a_server_that_is_gone_is_found_only_by_what_has_begun_before(
    clock: SimpleNamespace,
) -> None:
    kept = with_tool("kept")
    servers = Servers({"desk": kept})
    clock.now_s = 10
    servers.replace({})
    assert servers.as_of("desk", 1) is kept
    assert servers.as_of("desk", 0) is None
    assert servers.as_of("shop", 1) is None


def test_none_is_remembered_longer_than_its_calls_may_run(clock: SimpleNamespace) -> None:
    servers = Servers({"desk": with_tool("short", timeout="1s")})
    first = with_tool("first")
    servers.replace({"desk": first})
    clock.now_s = 10
    servers.replace({"desk": NEW})
    assert servers.as_of("desk", 11) is first
