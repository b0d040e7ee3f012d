"""What the rules of alerts find, and what is said of it."""

from typing import Any

import pytest

from bridge.configuration.alerts import Alerts, When
from bridge.configuration.servers import Server
from bridge.models import Pause
from bridge.store.counters import Totals
from bridge.store.histograms import Counted
from bridge.verbs.alert_rules import PlaceFound, WhatIsSeen, find, hooks_of, taken_away

HOOK = {"auth": {"bearer": "a"}}
WORKFLOW = {"url": "http://n8n/webhook/w"}
SERVERS = {
    "support": Server.model_validate(
        {"name": "support", "hooks": {"a": HOOK, "b": HOOK}, "workflows": {"parse": WORKFLOW}}
    ),
    "sales": Server.model_validate({"name": "sales", "hooks": {"a": HOOK}}),
}
NOTHING = Counted({}, {}, {})


def seen(**changes: Any) -> WhatIsSeen:
    of_totals = {name: changes.pop(name) for name in tuple(changes) if hasattr(EMPTY, name)}
    return WhatIsSeen(Totals(NOTHING, **of_totals), SERVERS, **changes)


EMPTY = Totals(NOTHING)


def found(when: dict[str, Any], what: WhatIsSeen) -> list[PlaceFound]:
    every = find(When.model_validate(when).condition, what)
    assert every is not None
    return every


def holding(when: dict[str, Any], what: WhatIsSeen) -> dict[str, str]:
    return {each.place: each.sentence for each in found(when, what) if each.holds}


def test_an_event_that_waits_is_an_alert_of_its_hook() -> None:
    waits = seen(oldest_s={("support", "a"): 600.5, ("support", "b"): 600, ("sales", "a"): 7000})
    rule: dict[str, Any] = {"older_than": "10m"}
    assert holding({"oldest_queued_event": rule}, waits) == {
        "support/a": "an event has waited on support/a for 10 min 0 s",
        "sales/a": "an event has waited on sales/a for 1 h 56 min",
    }
    assert holding({"oldest_queued_event": {**rule, "on": "support"}}, waits).keys() == {
        "support/a"
    }
    assert holding({"oldest_queued_event": {**rule, "on": "support/b"}}, waits) == {}


def test_what_waits_because_an_operator_paused_it_is_no_alert() -> None:
    waits = seen(oldest_s={("sales", "a"): 61}, paused=(Pause("sales", "ann", 0),))
    assert holding({"oldest_queued_event": {"older_than": "1m", "on": "sales"}}, waits) == {}


def test_what_is_dead_is_counted() -> None:
    dead = seen(inboxes={("support", "a", "dead"): 1, ("support", "b", "dead"): 3}, dead_replies=2)
    assert holding({"dead_events": {}}, dead) == {
        "support/a": "1 event of support/a is set aside: no attempt is left, or Claude gave up",
        "support/b": "3 events of support/b are set aside: no attempt is left, or Claude gave up",
    }
    assert holding({"dead_events": {"more_than": 1}}, dead).keys() == {"support/b"}
    assert holding({"dead_replies": None}, dead) == {
        "": "replies are dead (2): n8n has not taken them"
    }


@pytest.mark.parametrize(
    ("rule", "failed", "succeeded", "holds"),
    [
        ({"more_than": 2}, 2, 0, False),
        ({"more_than": 2}, 3, 100, True),
        ({"more_than_percent": 20}, 1, 4, False),
        ({"more_than_percent": 20}, 2, 4, True),
        ({"more_than_percent": 20}, 0, 0, False),
        ({"more_than": 2, "more_than_percent": 20}, 2, 0, False),
        ({"more_than": 2, "more_than_percent": 20}, 3, 100, False),
        ({"more_than": 2, "more_than_percent": 20}, 30, 100, True),
    ],
)
def test_failures_are_counted_or_measured_against_what_ended(
    rule: dict[str, Any], failed: int, succeeded: int, holds: bool
) -> None:
    place = ("calls", "support", "parse")
    counted = Counted({(*place, "failed"): failed, (*place, "succeeded"): succeeded}, {}, {})
    what = seen(windows={600.0: counted})
    (of_parse,) = found({"failed_calls": {"within": "10m", **rule}}, what)
    assert of_parse.holds == holds
    assert of_parse.sentence == (
        f"{failed} of {failed + succeeded} calls of support/parse failed within the last 10 min 0 s"
    )


def test_processes_are_counted_once_that_can_be_told() -> None:
    assert find(When.model_validate({"workers": {}}).condition, seen()) is None
    alive = seen(kinds={"web": 1})
    assert holding({"workers": {}}, alive) == {
        "": "no worker process is alive: calls and replies wait"
    }
    assert holding({"webs": {"fewer_than": 2}}, alive) == {
        "": "only 1 of 2 web processes are alive"
    }
    assert holding({"webs": {}}, alive) == {}


def test_memory_is_measured_against_what_redis_may_have_or_in_bytes() -> None:
    full = seen(memory={"used_memory": 90, "maxmemory": 100})
    assert holding({"redis_memory": {"more_than_percent": 80}}, full) == {
        "": "Redis has used 90 % of the memory that it may"
    }
    unbounded = seen(memory={"used_memory": 90, "maxmemory": 0})
    assert holding({"redis_memory": {"more_than_percent": 80}}, unbounded) == {}
    both = {"more_than_percent": 80, "more_than_bytes": 89}
    assert holding({"redis_memory": both}, unbounded) == {"": "Redis has used 90 bytes of memory"}
    assert find(When.model_validate({"redis_memory": both}).condition, seen()) is None


def test_n8n_is_away_where_it_does_not_answer_or_replies_rest() -> None:
    assert find(When.model_validate({"n8n_away": {}}).condition, seen()) is None
    looked = {"http://n8n:1": "it answers 502", "http://n8n:2": ""}
    away = seen(n8n=looked, circuits={"http://n8n:2": False, "http://n8n:3": True})
    assert holding({"n8n_away": {}}, away) == {
        "http://n8n:1": "n8n at http://n8n:1 is away: it answers 502",
        "http://n8n:3": "n8n at http://n8n:3 is away: it has failed too often, so replies to it "
        "rest",
    }


def test_late_calls_are_an_alert_of_the_whole_bridge() -> None:
    assert holding({"overdue_calls": {"longer_than": "10s"}}, seen(late_s=10)) == {}
    assert holding({"overdue_calls": {"longer_than": "10s"}}, seen(late_s=12.5)) == {
        "": "calls have been due for 12.5 s and no worker has begun them"
    }


def test_only_the_hooks_that_rules_are_about_are_read() -> None:
    rules = {
        "one": {"when": {"dead_events": {"on": "sales"}}, "to": ["r"]},
        "two": {"when": {"workers": {}}, "to": ["r"]},
    }
    alerts = Alerts.model_validate({"receivers": {"r": {"url": "http://r"}}, "alerts": rules})
    assert hooks_of(alerts, SERVERS) == [("sales", "a")]


def test_what_a_file_asks_no_more_is_not_over_but_looked_at_no_more() -> None:
    rules = {"waits": {"oldest_queued_event": {"older_than": "1m"}}, "away": {"n8n_away": {}}}
    alerts = Alerts.model_validate(
        {
            "receivers": {"people": {"url": "http://people"}},
            "alerts": {name: {"when": when, "to": ["people"]} for name, when in rules.items()},
        }
    )
    standing = {
        ("dead", ""),
        ("waits", "support/a"),
        ("waits", "support/no-more"),
        ("away", "http://n8n:3"),  # replies go there again: it is not listed any more
    }
    assert taken_away(alerts, standing, [("waits", "support/a")]) == {
        ("dead", ""): "the rule was removed",
        ("waits", "support/no-more"): "the rule is no longer about this",
    }
