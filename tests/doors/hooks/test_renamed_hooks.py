"""Events on a hook that was renamed while they wait are named at the next start."""

import logging
from typing import Any

import pytest

from bridge.configuration.servers import Server
from tests.apps import running_app
from tests.waiting import wait_until

AUTH = {"Authorization": "Bearer hook-token"}


def desk(*hooks: str) -> Server:
    entries = {hook: {"auth": {"bearer": "hook-token"}} for hook in hooks}
    return Server.model_validate({"name": "desk", "hooks": entries})


def stranded(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, ...]]:
    """Name what the log says of stranded events."""
    return [
        (record.server, record.hook, record.queued)  # type: ignore[attr-defined]
        for record in caplog.records
        if record.message == "events.stranded"
    ]


async def test_events_of_a_hook_that_was_renamed_are_named_at_start(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with running_app(redis_url, desk("letters", "alarms", "empty")) as before:
        for hook in ("letters", "letters", "alarms"):
            sent = await before.client.post(f"/hooks/desk/{hook}", json={}, headers=AUTH)
            assert sent.status_code == 202
    assert stranded(caplog) == []

    async with running_app(redis_url, desk("mail", "alarms")):
        await wait_until(lambda: stranded(caplog), "the warning")
        assert stranded(caplog) == [("desk", "letters", 2)]
    caplog.clear()

    async with running_app(redis_url, Server(name="other")):
        await wait_until(lambda: len(stranded(caplog)) == 2, "the warnings")
        assert stranded(caplog) == [("desk", "alarms", 1), ("desk", "letters", 2)]
