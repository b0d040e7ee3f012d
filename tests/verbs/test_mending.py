"""What is restored: nothing that may have run runs again without saying so."""

import json

import pytest

from bridge.formats.backup_file import KeptKey, KeptRecord
from bridge.verbs.mending import RESTORED, mended

NOW_MS = 1_700_000_000_000
Fields = dict[str, str]


def restored(family: str, *, was_running: bool, **fields: str) -> Fields:
    """Restore a record of one hash; return its fields."""
    flat = [part.encode() for pair in fields.items() for part in pair]
    record = KeptRecord(family, (KeptKey(f"{family}:1", "hash", 0, flat),), {})
    kept = mended(record, NOW_MS, was_running=was_running).keys[0].fields
    return {name.decode(): value.decode() for name, value in kept.items()}


def call(*, was_running: bool = True, **fields: str) -> Fields:
    """Restore a call."""
    usual = {"status": "running", "attempt": "1", "max_attempts": "3", "idempotent": "0"}
    return restored("call", was_running=was_running, **usual | fields)


@pytest.mark.parametrize("status", ["queued", "running"])
def test_an_open_call_of_a_bridge_that_went_on_has_failed_for_it_may_have_run(status: str) -> None:
    found = call(status=status, lease="a", holder="b", timeline='{"at":1,"what":"started"}\n')
    assert (found["status"], found["failure"], found["blame"]) == ("failed", RESTORED, "bridge")
    assert "lease" not in found
    assert found["finished_at"] == str(NOW_MS)
    last = json.loads(found["timeline"].splitlines()[-1])
    assert last == {"at": NOW_MS, "what": "failed", "reason": RESTORED}


def test_a_call_that_may_run_twice_is_queued_again_while_it_has_attempts() -> None:
    assert call(idempotent="1")["status"] == "queued"
    assert call(idempotent="1", attempt="3")["status"] == "failed"


def test_a_call_whose_execution_is_known_is_followed_on_and_its_attempt_not_counted() -> None:
    found = call(execution="17", sent_at="1")
    assert (found["status"], found["attempt"]) == ("queued", "0")


def test_a_call_that_awaits_its_callback_goes_on_to_await_it() -> None:
    found = call(awaited_by="token", sent_at="1")
    assert (found["status"], found["awaited_by"]) == ("running", "token")


def test_what_was_never_sent_by_a_bridge_that_stood_still_runs_now() -> None:
    found = call(was_running=False, status="queued", attempt="0")
    assert (found["status"], found["attempt"]) == ("queued", "0")
    begun = call(was_running=False, lease="a", holder="b")
    assert (begun["status"], begun["attempt"]) == ("queued", "0")


def test_what_was_sent_has_failed_though_the_bridge_stood_still() -> None:
    assert call(was_running=False, sent_at="1")["failure"] == RESTORED


def test_an_ended_call_is_left_as_it_is() -> None:
    ended = {"status": "succeeded", "lease": "a"}
    assert restored("call", was_running=True, **ended) == ended


def test_a_pending_reply_is_sent_as_one_that_may_have_arrived_by_whoever_comes_first() -> None:
    event = KeptKey("event:1", "hash", 0, [b"status", b"answered", b"holder", b"web"])
    reply = KeptKey("reply:1", "hash", 0, [b"status", b"pending", b"lease", b"a", b"holder", b"w"])
    found = mended(KeptRecord("event", (event, reply), {}), NOW_MS, was_running=True)
    assert found.keys[0].fields == {b"status": b"answered"}
    assert found.keys[1].fields == {b"status": b"pending", b"unknown": b"1"}


def test_a_subscription_has_no_sender() -> None:
    found = restored("subscription", was_running=True, url="https://x", lease="a", holder="b")
    assert found == {"url": "https://x"}
