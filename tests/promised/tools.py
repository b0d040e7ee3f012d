"""6: the tools, on every wire."""

from tests.promised.promise import Promise

PROMISES = (
    Promise(
        "The tools are the same on every wire, for everyone with the same rights.",
        {
            "doors/auth/test_entry.py": ("test_the_tools_are_the_same_on_every_wire",),
            "doors/wires/test_versions.py": ("test_the_list_of_tools_is_the_same_each_time",),
            "doors/auth/test_scopes.py": (
                "test_a_list_shows_what_the_principal_may_use_and_no_more",
                "test_a_tool_outside_the_scope_is_an_unknown_tool",
            ),
        },
    ),
    Promise(
        "`list_events` lists events in pages, oldest first.",
        {
            "store/test_accepting.py": (
                "test_lists_are_oldest_first_and_in_pages",
                "test_a_list_shows_only_what_was_asked_for",
            ),
            "doors/tools/test_trimmed_results.py": (
                "test_a_list_shows_the_start_of_an_event_as_it_is_shown_when_taken",
            ),
        },
    ),
    Promise(
        "`take_event` leases the oldest queued event, of the highest priority first.",
        {
            "store/test_taking.py": (
                "test_a_taker_gets_the_oldest_event_and_its_body",
                "test_higher_priorities_come_first_and_the_oldest_within_each",
                "test_an_event_goes_to_one_of_many_takers",
            ),
        },
    ),
    Promise(
        "Those who wait for an event are served first come, first served, over all processes.",
        {
            "store/test_taking.py": ("test_waiters_are_served_in_the_order_they_came",),
            "verbs/test_taking_events.py": (
                "test_takers_in_two_processes_are_served_in_the_order_they_came",
                "test_a_taker_waits_for_an_event_that_another_process_receives",
                "test_a_taker_whose_wait_ends_gets_nothing_and_leaves_the_line",
            ),
        },
    ),
    Promise(
        "`read_event` shows a payload, or the part at a pointer, in pages.",
        {
            "doors/tools/test_long_payloads.py": (
                "test_a_long_payload_and_a_long_result_are_told_page_by_page",
            ),
            "doors/tools/test_trimmed_results.py": (
                "test_what_is_not_shown_is_read_by_the_pointer_that_it_has_in_what_n8n_sent",
            ),
            "doors/hooks/test_hook_files.py": (
                "test_files_are_told_in_the_payload_and_read_in_pages",
            ),
        },
    ),
    Promise(
        "A reply is checked against the hook's schema.",
        {
            "doors/tools/test_replying.py": (
                "test_a_reply_that_breaks_its_hooks_schema_is_refused_and_may_be_mended",
            ),
            "doors/tools/test_lenient_arguments.py": (
                "test_a_reply_is_what_its_hook_s_schema_lets_it_mean",
            ),
        },
    ),
    Promise(
        "A reply counts with the newest lease, even late, until the event is taken again or ends.",
        {
            "store/test_settling.py": (
                "test_a_late_answer_is_accepted_if_nobody_took_the_event_since",
                "test_a_late_lease_is_worth_nothing_once_the_event_was_taken_again",
                "test_a_lease_is_worth_nothing_once_the_event_expired",
                "test_another_answer_to_an_answered_event_is_refused",
            ),
        },
    ),
    Promise(
        "A lease can be extended, and an event given back, delayed or set aside.",
        {
            "store/test_settling.py": (
                "test_extending_moves_the_end_of_the_lease",
                "test_a_released_event_is_queued_in_its_old_place_and_its_attempt_counts",
                "test_a_delayed_event_waits_for_its_time",
                "test_an_event_set_aside_is_taken_by_nobody",
            ),
        },
    ),
    Promise(
        "Events do what is promised of them in any order of steps.",
        {
            "store/test_event_machine.py": (
                "test_events_do_what_the_model_does_in_any_order_of_steps",
            ),
        },
    ),
    Promise(
        "An event that nobody answers in time expires, and n8n gets the default reply.",
        {
            "store/test_time.py": (
                "test_an_event_that_nobody_answers_in_time_expires",
                "test_a_default_reply_is_sent_when_an_event_expires",
                "test_an_answered_event_never_expires",
            ),
        },
    ),
    Promise(
        "`list_calls` lists the principal's own calls, in pages.",
        {
            "store/test_listing_calls.py": (
                "test_calls_are_listed_in_order_and_in_pages",
                "test_a_list_shows_the_principals_own_calls_only",
            ),
        },
    ),
    Promise(
        "`cancel_call` ends a call and shows it as it is then.",
        {
            "store/test_calls.py": (
                "test_any_open_call_can_be_cancelled",
                "test_an_ended_call_cannot_be_cancelled",
            ),
            "verbs/test_running_calls.py": (
                "test_a_call_that_is_cancelled_while_it_is_sent_stops_the_sending",
            ),
        },
    ),
    Promise(
        "What a tool answers is what its output schema says, in each of its four forms.",
        {
            "doors/tools/test_output_schemas.py": (
                "test_a_handle_and_a_result_are_what_the_output_schema_says",
                "test_a_failure_of_an_earlier_call_says_that_it_is_one",
            ),
            "unit/test_tool_list.py": ("test_a_tool_s_schemas_are_sound_and_of_objects",),
        },
    ),
    Promise(
        "A value that JavaScript's numbers would change is told as text.",
        {
            "doors/tools/test_exact_numbers.py": (
                "test_a_number_that_javascript_would_change_has_the_whole_value_told_as_text",
                "test_digits_get_through_the_wire_and_back",
            ),
        },
    ),
    Promise(
        "Trimming leaves what a schema requires.",
        {
            "unit/test_trimming.py": (
                "test_what_the_schema_requires_stays_however_empty",
                "test_what_satisfied_its_schema_still_does",
            ),
            "doors/tools/test_trimmed_results.py": (
                "test_a_result_keeps_what_its_output_schema_requires",
            ),
        },
    ),
    Promise(
        "An event whose answer was surely lost goes back at once, and the attempt does not count.",
        {
            "doors/wires/test_http_acks.py": (
                "test_a_lease_goes_back_only_if_its_answer_was_not_taken_whole",
            ),
            "process/test_web_deaths.py": (
                "test_an_event_that_a_dying_process_took_goes_back_and_counts_no_attempt",
            ),
            "store/test_taking.py": (
                "test_an_abandoned_event_is_queued_in_its_old_place_and_counts_no_attempt",
            ),
        },
    ),
    Promise(
        "A waiter whose client has left takes nothing.",
        {
            "doors/wires/test_streamable_2026.py": (
                "test_a_waiter_whose_client_has_left_takes_nothing",
            ),
            "doors/wires/test_reattaching.py": ("test_a_taker_who_left_takes_nothing",),
            "verbs/test_taking_events.py": (
                "test_a_taker_that_is_cancelled_keeps_no_event_whenever_it_happens",
            ),
        },
    ),
    Promise(
        "A payload comes in an envelope that says it is data, and stands in no description.",
        {
            "doors/resources/test_resources.py": (
                "test_an_event_is_read_in_its_envelope_and_stays_queued",
                "test_nothing_of_a_payload_stands_in_a_list",
            ),
            "doors/resources/test_prompts.py": (
                "test_a_prompt_holds_the_operators_words_and_no_payload",
            ),
        },
    ),
    Promise(
        "Wrong arguments are a tool error that says how to mend them.",
        {
            "doors/auth/test_entry.py": (
                "test_wrong_arguments_are_a_tool_error_that_names_the_fault",
            ),
            "doors/tools/test_trimmed_results.py": (
                "test_an_error_is_told_in_text_to_every_client",
            ),
        },
    ),
    Promise(
        "An unknown tool is a protocol error.",
        {
            "doors/wires/test_streamable_2026.py": ("test_an_unknown_tool_is_a_protocol_error",),
            "doors/wires/test_streamable_2025.py": ("test_an_unknown_tool_is_a_protocol_error",),
            "doors/wires/test_sse.py": ("test_an_unknown_tool_is_a_protocol_error",),
        },
    ),
    Promise(
        "An id of another server or principal is unknown to every tool.",
        {
            "doors/auth/test_other_principals_tools.py": (
                "test_an_event_of_another_server_is_unknown_to_every_tool",
                "test_a_call_of_another_is_unknown_to_every_tool",
                "test_a_lease_of_another_principal_opens_nothing_to_any_tool",
                "test_every_principal_of_a_server_sees_its_events",
            ),
        },
    ),
)
