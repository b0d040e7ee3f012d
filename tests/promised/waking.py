"""9: waking Claude."""

from tests.promised.promise import Promise

PROMISES = (
    Promise(
        "`watch` prints a line for each event that waits, and again until it was taken.",
        {
            "process/test_watch.py": ("test_it_prints_what_waits_and_ends_well_when_told",),
            "store/test_pushes.py": ("test_an_event_is_told_again_after_growing_pauses",),
        },
    ),
    Promise(
        "Several who watch share what waits, each in turn.",
        {
            "store/test_pushes.py": (
                "test_of_several_sessions_the_one_that_was_not_told_for_longest_is_told",
            ),
            "doors/subscriptions/test_watch.py": (
                "test_of_two_who_watch_each_is_told_in_turn_wherever_they_are",
            ),
        },
    ),
    Promise(
        "What one was told who has ended is told to another at once.",
        {
            "store/test_pushes.py": (
                "test_what_a_session_was_told_that_has_left_is_told_to_another_at_once",
                "test_what_was_told_by_a_process_that_died_is_told_to_another",
            ),
            "process/test_watch.py": ("test_what_a_killed_one_was_told_is_told_to_the_next",),
        },
    ),
    Promise(
        "What can never be watched is named at once, what is away is waited for.",
        {
            "process/test_watch.py": (
                "test_what_can_never_be_watched_is_one_line",
                "test_a_bridge_that_goes_away_is_said_once_and_waited_for",
            ),
        },
    ),
)
