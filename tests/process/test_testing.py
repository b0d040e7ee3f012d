"""The fixture `n8n_bridge`, as tests of a user's own server file use it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from bridge.testing import RunningBridge

SERVER = """
name: desk
description: Any.
tokens: [{name: claude, token: env:DESK_TOKEN}]
hooks:
  by-basic: {description: Any., auth: {basic: {user: ann, password: env:PASSWORD}}}
  by-header: {description: Any., auth: {header: {name: X-Key, value: env:HEADER}}}
  by-signature: {description: Any., auth: {github: env:SIGNING}, reply_url: unsigned}
workflows:
  quick:
    {description: Any., url: "${BRIDGE_N8N_URL}/webhook/desk/quick", input: {type: object}}
  later:
    {description: Any., url: "${BRIDGE_N8N_URL}/webhook/later", result: callback, progress: true}
  followed:
    {description: Any., url: "${BRIDGE_N8N_URL}/webhook/followed", result: execution}
"""
OTHER = """
name: other
workflows: {quick: {description: Any., url: "${BRIDGE_N8N_URL}/webhook/${PLACE}/${NAME}"}}
"""


@pytest.fixture
def n8n_bridge_servers(tmp_path: Path) -> Path:
    """Write two server files, and a `.env` that no test may read."""
    (tmp_path / "desk.yaml").write_text(SERVER)
    (tmp_path / "other.yaml").write_text(OTHER)
    (tmp_path / ".env").write_text("BRIDGE_REDIS_URL=redis://nowhere")
    return tmp_path


@pytest.fixture
def n8n_bridge_environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Start where that `.env` lies, and say what one variable is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRIDGE_PUBLIC_URL", "https://not.for.tests")
    return {"PLACE": "elsewhere"}


def test_it_plays_n8n_and_claude_for_every_way_of_a_server_file(n8n_bridge: RunningBridge) -> None:
    claude, n8n = n8n_bridge.claude, n8n_bridge.n8n
    assert {"quick", "later", "followed", "take_event"} <= set(claude.tools())

    for tool in ("quick", "later", "followed"):
        n8n.answer(tool, {"from": tool})
        assert claude.call(tool) == {"from": tool}
    n8n.answer("desk/quick", {"again": True})
    assert claude.call("quick", anew=1) == {"again": True}
    assert n8n.received("quick") == [{}, {"anew": 1}]

    for tool in ("quick", "later", "followed"):
        n8n.fail(tool, "out of paper")
    assert "n8n" in claude.failure("quick", anew=2)
    with pytest.raises(LookupError, match="no server file has a workflow nothing: desk/quick"):
        n8n.answer("nothing", {})
    with pytest.raises(AssertionError, match="n8n"):
        claude.call("quick", anew=3)

    other = n8n_bridge.claude_at("other")
    assert list(other.call("quick")) == ["received"]

    for hook in ("by-basic", "by-header", "by-signature"):
        asked = n8n_bridge.ask(hook, {"for": hook})
        event = claude.call("take_event", hook=hook, wait_seconds=10)
        claude.call(
            "reply_to_event", event_id=event["event_id"], lease=event["lease"], reply={"to": hook}
        )
        assert asked.answer() == {"to": hook}
    with pytest.raises(TimeoutError):
        n8n.park().answer(timeout_s=0.1)


def test_a_server_file_that_is_not_sound_is_named(
    n8n_bridge_servers: Path, request: pytest.FixtureRequest
) -> None:
    (n8n_bridge_servers / "other.yaml").write_text("name: Not A Name")
    with pytest.raises(ConfigurationError, match=r"other\.yaml:1"):
        request.getfixturevalue("n8n_bridge")
