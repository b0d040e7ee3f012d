"""The live view of `dev`, as text; and the keys that move about in it."""

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from bridge.authoring.development.activity import Activity
from bridge.authoring.development.view import HELP, HELP_DETAILS, View, render
from bridge.models import EventStatus
from tests.authoring.development.test_activity import ANSWERED, DELIVERED, TAKEN, event

HEAD = ("n8n-bridge dev   http://127.0.0.1:8080   support",)


def numbered(count: int) -> tuple[Activity, ...]:
    """Return so many events, the newest first."""
    made = event(TAKEN, status=EventStatus.LEASED)
    return tuple(replace(made, record_id=f"evt_{number}") for number in range(count, 0, -1))


def lines_of(view: View, width: int = 130, height: int = 24) -> list[str]:
    """Draw a view on a terminal of this size; return its lines."""
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    with console.capture() as captured:
        console.print(render(replace(view, width=width), console))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_view_shows_the_head_the_faults_and_a_line_a_record_newest_first() -> None:
    delivered = event(TAKEN, ANSWERED, DELIVERED, status=EventStatus.ANSWERED, reply="delivered")
    dead = event(status=EventStatus.DEAD, attempt=2)
    view = View(
        HEAD,
        ("support.yaml:4: the file is not valid YAML",),
        (replace(dead, record_id="evt_2", reason="no \x1b good"), delivered),
        ("sent again as evt_2",),
    )
    head, fault, gap, names, newest, oldest, said, keys = lines_of(view, 170)
    assert (head, fault) == (HEAD[0], "✗ support.yaml:4: the file is not valid YAML")
    assert gap == ""
    assert " ".join(names.split()) == "at what where id status by times why"
    assert newest.split()[0] == "▶"
    row = r"event support/ticket evt_2 dead, attempt 2 received no \x1b good"
    assert newest.split()[2:] == row.split()
    assert oldest.endswith("alice  received → leased 1.9 s → answered 3.2 s → delivered 1 min 5 s")
    assert (said, keys) == ("sent again as evt_2", HELP)


def test_a_narrow_terminal_has_no_room_for_ids_and_cuts_the_times() -> None:
    answered = event(TAKEN, ANSWERED, status=EventStatus.ANSWERED)
    row = lines_of(View(HEAD, activities=(answered,)), width=80)[3]
    assert row.split()[2:7] == ["event", "support/ticket", "answered", "alice", "received"]


def test_a_long_fault_is_shown_in_full_and_the_rest_fits_on_the_terminal() -> None:
    fault = "support.yaml:4: " + "what is wrong and how to mend it " * 5 + "END"
    lines = lines_of(View(HEAD, (fault,), numbered(100)), width=80, height=20)
    assert any("END" in line for line in lines)
    assert len(lines) <= 20
    assert lines[-1] == HELP


def test_a_fault_is_shown_on_a_small_terminal_before_the_addresses_above_it() -> None:
    head = ("n8n-bridge dev   http://127.0.0.1:8080   support   console", "n8n http://127.0.0.1:9")
    lines = lines_of(View(head, ("support.yaml:4: titel is an unknown key",)), 40, 10)
    assert lines[0] == "n8n-bridge dev   http://127.0.0.1:8080"
    assert " ".join(lines[1:3]) == "✗ support.yaml:4: titel is an unknown key"


@pytest.mark.parametrize(("width", "height"), [(200, 50), (80, 24), (40, 10), (20, 6)])
def test_records_and_keys_have_room_on_any_terminal(width: int, height: int) -> None:
    made = replace(numbered(1)[0], server="s" * 63, part="h" * 63, who="w" * 60, reason="r" * 900)
    records = tuple(replace(made, record_id=f"evt_{number}") for number in range(100))
    head = (f"n8n-bridge dev   http://127.0.0.1:8080   {', '.join('server' for _ in range(500))}",)
    view = View(head, ("support.yaml:4: " + "wrong " * 99,) * 30, records, ("日本語 " * 40,) * 3)
    for each in (view, replace(view, details=("x" * 5000, "", "日本語" * 100))):
        lines = lines_of(each, width, height)
        assert len(lines) <= height
        assert all(cell_len(line) <= width for line in lines)
    if width >= 40:
        assert any("▶" in line and "leased" in line for line in lines_of(view, width, height))
        assert lines_of(view, width, height)[-1].endswith("q quit")


def test_what_somebody_has_sent_steers_no_terminal() -> None:
    steering = "\x1b]0;title\x07\x9b31m\u202e\r\n"
    made = replace(numbered(1)[0], part=steering, who=steering, reason=steering)
    view = View((steering,), (steering,), (made,), (steering,))
    drawn = [*lines_of(view), *lines_of(replace(view, details=(steering,)))]
    assert all(line.isprintable() for line in drawn)


def test_nothing_is_shown_as_nothing_yet() -> None:
    assert any("nothing yet" in line for line in lines_of(View(HEAD)))
    assert View(HEAD).moved("up").chosen is None


def test_the_newest_is_chosen_until_another_is_and_that_one_stays() -> None:
    view = View(HEAD, activities=numbered(50))
    assert view.chosen == view.activities[0]
    down = view.moved("down").moved("down")
    more = replace(
        down, activities=(replace(view.activities[0], record_id="new"), *down.activities)
    )
    assert more.chosen is not None
    assert more.chosen.record_id == "evt_48"
    assert sum("▶" in line for line in lines_of(more)) == 1
    far = more.moved("page down").moved("page down").moved("page down")
    assert sum("▶" in line and "evt_18 " in line for line in lines_of(far)) == 1
    newest = far.moved("newest")
    assert newest.chosen == more.activities[0]
    assert newest.moved("up") == replace(newest, chosen_id="new")
    assert newest.moved("again") == newest


def test_details_take_the_place_of_the_records_and_scroll() -> None:
    details = tuple(f"line {number}" for number in range(100))
    view = View(HEAD, activities=numbered(3), details=details)
    assert "line 0" in lines_of(view)
    assert lines_of(view)[-1] == HELP_DETAILS
    scrolled = view.moved("page down").moved("down")
    assert "line 11" in lines_of(scrolled)
    assert "line 10" not in lines_of(scrolled)
    for _ in range(20):
        scrolled = scrolled.moved("page down")
    assert scrolled.scrolled == len(details) - 1
    assert scrolled.chosen == view.chosen
    long = replace(view, details=("x" * 100 + "END",), width=50)
    assert "END" in lines_of(long, 50)
    scrolled = long.moved("down").moved("down").moved("down")
    assert scrolled.scrolled == 2
    assert any("END" in line for line in lines_of(replace(scrolled, width=200), 200))


def test_keys_act_on_no_record_when_the_chosen_one_is_kept_no_longer() -> None:
    view = replace(View(HEAD, activities=numbered(3)), chosen_id="evt_9")
    assert view.chosen is None
    assert not any("▶" in line for line in lines_of(view))
