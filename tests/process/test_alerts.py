"""Alerts of real processes: told once, told at last, and by whoever is left."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from tests.alerted import AlertedReceiver, alerted, alerting
from tests.bridge_processes import Bridge, running_bridge
from tests.commands import run
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

WAITS: dict[str, Any] = {
    "when": {"oldest_queued_event": {"older_than": "500ms", "on": "proof/question"}}
}


async def test_an_alert_is_told_once_and_its_end_once_whoever_runs(tmp_path: Path) -> None:
    async with alerted() as receiver:
        settings = alerting(tmp_path, receiver, waits=WAITS, heartbeat="1s")
        async with running_bridge(tmp_path, webs=2, workers=2, **settings) as bridge:
            event_id = await waiting_event(bridge)
            ((firing_id, firing),) = await receiver.hears("alert.firing")
            assert firing["rule"] == "waits"
            assert (firing["server"], firing["hook"]) == ("proof", "question")
            assert firing["value"] > firing["threshold"] == 0.5
            assert firing["sentence"].startswith("an event has waited on proof/question for ")
            assert (await listed(bridge))["alerts"][0]["alert"] == firing["alert"]
            assert 'n8n_bridge_alerts_firing{rule="waits"} 1.0' in await metrics(bridge)
            await expire(bridge, event_id)
            ((resolved_id, resolved),) = await receiver.hears("alert.resolved")
            assert resolved["alert"] == firing["alert"]
            assert (firing_id, resolved_id) == (
                f"{firing['alert']}_firing_1",
                f"{firing['alert']}_resolved",
            )
            beats = len(receiver.of("heartbeat"))
            await receiver.hears("heartbeat", count=beats + 2)
            told = await listed(bridge)
            assert told["alerts"] == []
            assert (told["receivers"][0]["waiting"], told["receivers"][0]["failure"]) == (0, None)
        assert len(receiver.of("alert.firing")) == len(receiver.of("alert.resolved")) == 1


async def test_what_a_process_dies_over_is_told_by_another_under_the_same_id(
    tmp_path: Path,
) -> None:
    """It dies when all is decided, when it has begun to send, and when it has sent."""
    times = await asyncio.gather(
        told_after("alert-decided", tmp_path / "decided"),
        told_after("alert-taken", tmp_path / "taken"),
        told_after(None, tmp_path / "sent"),
    )
    assert list(times) == [1, 1, 2]


async def told_after(point: str | None, folder: Path) -> int:
    """Let a web process die at a point, or else over its message; return how often that came."""
    folder.mkdir()
    async with alerted() as receiver:
        settings = alerting(folder, receiver, waits=WAITS)
        async with running_bridge(folder, webs=0, workers=0, **settings) as bridge:
            doomed = await bridge.add_web(point)
            receiver.gate.clear()
            await waiting_event(bridge)
            if point is None:
                await receiver.hears("alert.firing")
                doomed.kill()
            assert await doomed.ended() == -signal.SIGKILL
            before = len(receiver.told)
            receiver.gate.set()
            await bridge.add_worker()
            found = await receiver.hears("alert.firing", count=before + 1)
    assert len({id_ for id_, _ in found}) == 1
    return len(found)


async def test_a_receiver_that_was_away_is_told_all_of_it_in_order(tmp_path: Path) -> None:
    receiver = AlertedReceiver()
    settings = alerting(tmp_path, receiver, waits=WAITS)
    async with running_bridge(tmp_path, workers=0, **settings) as bridge:
        event_id = await waiting_event(bridge)
        await wait_until(lambda: "alert.undelivered" in bridge.webs[0].log, "an attempt")
        await expire(bridge, event_id)
        await wait_until(lambda: '"resolved"' in bridge.webs[0].log, "the end of the alert")
        async with receiver.listening():
            await receiver.hears("alert.resolved")
    assert [event["type"] for _, event in receiver.told] == ["alert.firing", "alert.resolved"]


async def test_each_kind_of_process_is_missed_by_the_other_and_n8n_by_both(
    tmp_path: Path,
) -> None:
    n8n = AlertedReceiver()
    rules: dict[str, Any] = {
        "no_worker": {"when": {"workers": {}}},
        "no_web": {"when": {"webs": {}}},
        "n8n_away": {"when": {"n8n_away": {}}, "for": "1s"},
    }
    async with alerted() as receiver:
        settings = alerting(tmp_path, receiver, **rules, heartbeat="1s")
        settings["BRIDGE_N8N_URL"] = n8n.url.removesuffix("/alerts")
        async with running_bridge(tmp_path, **settings) as bridge:
            ((_, firing),) = await receiver.hears("alert.firing", "n8n-away")
            assert firing["sentence"].endswith(
                "is away: its host refuses connections at this port: does it run?"
            )
            async with n8n.listening():
                await receiver.hears("alert.resolved", "n8n-away")
                await receiver.hears("heartbeat")
                bridge.workers[0].kill()
                ((_, firing),) = await receiver.hears("alert.firing", "no-worker")
                assert firing["sentence"] == "no worker process is alive: calls and replies wait"
                beats = len(receiver.of("heartbeat"))
                await bridge.add_worker()
                await receiver.hears("alert.resolved", "no-worker")
                await receiver.hears("heartbeat", count=beats + 1)
                bridge.webs[0].kill()
                ((_, firing),) = await receiver.hears("alert.firing", "no-web")
                assert firing["remedy"] == "start one: n8n-bridge web"


async def test_a_redis_that_is_away_is_told_by_a_web_process_and_so_is_its_end(
    tmp_path: Path,
) -> None:
    rules: dict[str, Any] = {"redis_away": {"when": {"redis_away": {}}, "for": "1s"}}
    async with alerted() as receiver:
        settings = alerting(tmp_path, receiver, **rules, heartbeat="1s")
        async with running_bridge(tmp_path, **settings) as bridge:
            await receiver.hears("heartbeat")
            await bridge.kill_store()
            ((_, firing),) = await receiver.hears("alert.firing")
            assert firing["sentence"].startswith("Redis is away: ")
            await bridge.valkey.start()
            ((_, resolved),) = await receiver.hears("alert.resolved")
            assert resolved["alert"] == firing["alert"]
            beats = len(receiver.of("heartbeat"))
            await receiver.hears("heartbeat", count=beats + 1)
        assert len(receiver.of("alert.firing")) == 1


async def test_a_change_of_the_file_counts_from_sighup_on(tmp_path: Path) -> None:
    async with alerted() as receiver:
        settings = alerting(tmp_path, receiver, heartbeat="1h")
        async with running_bridge(tmp_path, workers=0, **settings) as bridge:
            await waiting_event(bridge)
            alerting(tmp_path, receiver, waits=WAITS)
            bridge.webs[0].send_signal(signal.SIGHUP)
            await receiver.hears("alert.firing", "waits")
            (tmp_path / "alerts.yaml").write_text("alerts: none\n")
            bridge.webs[0].send_signal(signal.SIGHUP)
            await wait_until(
                lambda: "server_files.kept" in bridge.webs[0].log, "the fault in the log"
            )
            alerting(tmp_path, receiver)
            bridge.webs[0].send_signal(signal.SIGHUP)
            ((_, ended),) = await receiver.hears("alert.resolved", "waits")
            assert ended["sentence"].startswith("no longer looked at, for the rule was removed: ")


async def test_a_test_goes_to_the_receivers_of_a_rule_and_says_who_refused(
    tmp_path: Path,
) -> None:
    async with alerted() as receiver:
        environ = alerting(tmp_path, receiver, waits={**WAITS, "when": {"workers": {}}})
        (tmp_path / "servers").mkdir()
        (tmp_path / "servers" / "s.yaml").write_text("name: s\n")
        environ["BRIDGE_SERVERS"] = str(tmp_path / "servers")
        status, said = await run("alerts", "test", "waits", environ=environ)
        ((_, event),) = receiver.of("alert.test")
        assert (status, event["rule"]) == (0, "waits")
        assert "people    taken" in said
        assert '"which": "people", "outcome": "done"' in said
        receiver.answers.append(Response("no", 403))
        status, said = await run("alerts", "test", environ=environ)
        assert status == 1
        assert "refused  it refuses the credential (403)" in said
        status, said = await run("alerts", "test", "wait", environ=environ)
        assert (status, said) == (1, "there is no alert wait; there are: waits\n")
    status, said = await run("alerts", "test", environ=environ)
    assert status == 1
    assert "its host refuses connections at this port" in said
    unset = {"BRIDGE_SERVERS": environ["BRIDGE_SERVERS"]}
    status, said = await run("alerts", "ls", environ=unset)
    assert (status, said) == (1, "BRIDGE_ALERTS is not set: name the file of alerts\n")


async def listed(bridge: Bridge) -> dict[str, Any]:
    """Return what `alerts ls` says."""
    status, said = await run("alerts", "ls", "--json", environ=bridge.environ)
    assert status == 0, said
    found: dict[str, Any] = json.loads(said)
    return found


async def metrics(bridge: Bridge) -> str:
    """Return what the second web process shows to Prometheus."""
    return (await bridge.http.get(f"{bridge.webs[1].url}/metrics")).text


async def waiting_event(bridge: Bridge) -> str:
    """Send an event that nobody takes."""
    answer = await bridge.send("a question")
    event_id: str = answer.json()["event_id"]
    return event_id


async def expire(bridge: Bridge, event_id: str) -> None:
    """End the time of an event, so that it waits no more."""
    answer = await bridge.http.post(f"{bridge.webs[0].url}/events/{event_id}/expire")
    answer.raise_for_status()
