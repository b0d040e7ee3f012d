"""4: n8n to the bridge over HTTP."""

from tests.promised.promise import Promise

PROMISES = (
    Promise(
        "An event is answered with 202 once it is on disk, and not before.",
        {
            "doors/hooks/test_hooks.py": (
                "test_a_payload_is_accepted_with_its_id_and_where_to_ask",
                "test_202_is_said_only_once_the_event_is_on_record",
                "test_an_accepted_event_outlives_a_redis_that_is_killed",
            ),
            "process/test_redis_away.py": (
                "test_a_store_killed_under_load_keeps_every_event_it_accepted_once",
            ),
        },
    ),
    Promise(
        "Requests that are stored together succeed and fail each for itself.",
        {
            "store/test_steps.py": (
                "test_a_step_that_fails_fails_alone",
                "test_a_step_that_lacks_an_argument_hurts_no_other",
                "test_a_text_that_has_no_utf8_form_hurts_no_other",
            ),
        },
    ),
    Promise(
        "A body may be JSON of any kind, a form, or text.",
        {
            "doors/hooks/test_hooks.py": ("test_json_forms_and_text_reach_claude_as_json",),
            "unit/test_payloads.py": ("test_any_json_is_read_and_its_bytes_are_kept",),
        },
    ),
    Promise(
        "A key seen on a hook within 24 hours is answered with its event, and stores nothing.",
        {
            "doors/hooks/test_hooks.py": (
                "test_a_repeated_key_gives_the_first_event_and_stores_nothing",
                "test_a_repeat_after_the_answer_gives_the_reply",
                "test_one_key_on_two_hooks_is_two_events",
            ),
            "store/test_accepting.py": (
                "test_a_duplicate_stores_nothing",
                "test_a_key_is_remembered_for_a_day_from_its_first_use",
            ),
        },
    ),
    Promise(
        "Of many requests with one key that race, at any processes, one makes the event.",
        {
            "doors/hooks/test_hooks.py": ("test_of_many_requests_with_one_key_one_is_accepted",),
            "process/test_many_webs.py": (
                "test_two_senders_that_race_with_one_key_make_one_event",
                "test_50_senders_of_one_key_to_four_processes_make_one_event",
            ),
        },
    ),
    Promise(
        "A key that comes again with another body or reply address is a conflict, 409.",
        {
            "doors/hooks/test_hooks.py": ("test_a_key_reused_for_something_else_is_a_conflict",),
            "store/test_accepting.py": (
                "test_a_key_with_another_digest_is_a_conflict_and_stores_nothing",
            ),
        },
    ),
    Promise(
        "With `Prefer: wait=N` the reply comes back with the request if Claude answers in time.",
        {
            "doors/hooks/test_prefer.py": (
                "test_a_reply_in_time_goes_back_with_the_request",
                "test_without_a_reply_in_time_the_event_stays_accepted",
                "test_a_duplicate_waits_like_the_first",
            ),
        },
    ),
    Promise(
        "More than 290 seconds of `Prefer: wait` count as 290.",
        {"doors/hooks/test_prefer.py": ("test_more_than_290_seconds_count_as_290",)},
    ),
    Promise(
        "A reply that went back with the request is not sent to the reply address as well.",
        {
            "doors/hooks/test_prefer.py": (
                "test_a_reply_that_went_back_is_not_sent_to_its_address",
            ),
            "process/test_prefer.py": (
                "test_a_reply_that_went_back_never_reaches_the_reply_address",
                "test_a_reply_whose_process_died_before_it_was_written_goes_to_the_address",
            ),
        },
    ),
    Promise(
        "A refusal stores nothing and is a problem document (RFC 9457) with its own status.",
        {
            "doors/hooks/test_hooks.py": (
                "test_what_is_no_json_is_refused_with_its_place",
                "test_a_sender_without_the_credential_is_turned_away",
                "test_what_is_not_there_is_not_found",
                "test_other_media_are_refused",
                "test_a_body_that_is_too_long_is_refused_with_the_setting_to_change",
            ),
            "doors/hooks/test_fuzz.py": ("test_no_request_gets_an_answer_that_is_not_described",),
        },
    ),
    Promise(
        "A payload that breaks the hook's schema is answered 422 with up to 20 faults by pointer.",
        {
            "doors/hooks/test_hooks.py": (
                "test_every_fault_of_a_payload_is_named_by_its_pointer",
                "test_the_first_faults_are_listed_and_more_are_said_to_be_there",
                "test_a_missing_member_is_named_by_the_pointer_it_would_have",
            ),
        },
    ),
    Promise(
        "A hook beyond its limits, and a store that is away, say when to come back.",
        {
            "doors/hooks/test_hook_limits.py": (
                "test_beyond_its_limits_a_hook_says_when_to_come_back",
            ),
            "doors/hooks/test_hooks.py": (
                "test_while_redis_is_away_the_sender_is_told_when_to_come_back",
                "test_while_redis_is_full_senders_claude_and_readiness_are_told_so_at_once",
            ),
        },
    ),
    Promise(
        "A sender sees each refusal of its body, also on a connection that closes.",
        {
            "doors/requests/test_long_bodies.py": (
                "test_the_sender_of_a_long_body_sees_the_refusal",
                "test_the_sender_sees_the_refusal_of_a_long_body_on_a_connection_that_closes",
            ),
            "doors/requests/test_request_limits.py": (
                "test_a_refusal_before_the_bodys_end_is_seen_on_a_connection_that_closes",
                "test_no_more_of_a_refused_body_is_read_than_twice_what_it_may_have",
            ),
        },
    ),
    Promise(
        "Headers of more than 64 KiB are answered 431, and a request that stands still 408.",
        {
            "doors/requests/test_request_limits.py": (
                "test_headers_of_more_than_64_kib_are_refused_and_the_connection_closed",
                "test_headers_of_just_64_kib_are_served",
                "test_half_open_connections_are_closed_in_time",
                "test_a_body_that_comes_too_slowly_is_given_up_and_its_reader_told",
            ),
        },
    ),
    Promise(
        "No success has a top-level `error` that n8n would take for one.",
        {"doors/hooks/test_hooks.py": ("test_no_success_looks_like_an_error_to_n8n",)},
    ),
    Promise(
        "Whoever may send to a hook can ask what has become of its events, and nobody else.",
        {
            "doors/hooks/test_events.py": (
                "test_an_event_is_shown_as_it_stands",
                "test_an_events_life_can_be_followed",
                "test_an_event_of_another_hook_looks_like_an_unknown_one",
                "test_without_a_credential_known_and_unknown_events_look_alike",
            ),
        },
    ),
    Promise(
        "With an operator's token a dead event is put back.",
        {
            "doors/hooks/test_redriving.py": (
                "test_a_dead_event_is_queued_again",
                "test_who_has_not_the_operators_token_redrives_nothing",
            ),
        },
    ),
    Promise(
        "`/openapi.json` describes every route of n8n's and of operators, and every refusal.",
        {
            "unit/test_openapi.py": (
                "test_every_route_of_n8n_and_operators_stands_in_the_document_and_no_other",
                "test_a_hook_s_refusals_are_described",
            ),
            "doors/hooks/test_openapi.py": (
                "test_the_document_is_served_as_it_is_kept_to_whoever_asks",
            ),
        },
    ),
    Promise(
        "A reply address is taken only of the origins and paths that settings allow.",
        {
            "doors/hooks/test_hooks.py": (
                "test_a_foreign_reply_address_is_refused_and_not_repeated",
            ),
            "doors/hooks/test_reply_address_attacks.py": (
                "test_a_trick_is_refused_at_the_door_and_nothing_is_stored",
                "test_a_trick_that_got_into_the_records_is_not_requested_either",
            ),
            "unit/test_reply_address.py": (
                "test_another_origin_is_refused_and_named_with_the_setting_to_change",
                "test_a_path_elsewhere_is_refused_with_the_setting_to_change",
                "test_an_address_with_a_user_in_it_is_refused",
            ),
        },
    ),
    Promise(
        "A reply address is requested byte for byte, and no redirect is followed.",
        {
            "doors/hooks/test_reply_address_attacks.py": (
                "test_whatever_follows_the_origin_is_sent_to_n8n_as_it_came",
                "test_a_redirect_leads_nowhere",
            ),
            "workers/test_n8n.py": ("test_a_reply_goes_to_its_address_byte_for_byte",),
        },
    ),
    Promise(
        "A reply address is shown in no log, tool result or refusal.",
        {
            "process/test_secret_addresses.py": (
                "test_a_reply_address_is_shown_nowhere_on_a_journey_in_which_much_goes_wrong",
            ),
            "doors/hooks/test_repeated_addresses.py": (
                "test_the_address_and_its_signature_are_taken_out_of_a_payload",
                "test_what_is_wrong_with_a_payload_is_told_without_the_address",
            ),
        },
    ),
    Promise(
        "A workflow reports its progress, its result or its failure to its callback address.",
        {
            "doors/hooks/test_callbacks.py": (
                "test_progress_is_what_the_caller_reads_next",
                "test_a_result_ends_the_call_and_may_be_told_again",
                "test_a_failure_ends_the_call_with_its_reason",
                "test_anything_but_one_of_the_three_is_refused_and_changes_nothing",
            ),
        },
    ),
    Promise(
        "A callback with a wrong token is answered as one of an unknown call; another end is 409.",
        {
            "doors/hooks/test_callbacks.py": (
                "test_a_wrong_token_and_an_unknown_call_are_answered_alike",
                "test_another_end_after_the_end_is_a_conflict",
            ),
            "doors/auth/test_other_principals.py": (
                "test_a_callback_is_for_none_but_its_own_call",
            ),
        },
    ),
    Promise(
        "The callback address goes only to workflows that are to use it.",
        {"workers/test_n8n.py": ("test_the_callback_address_goes_only_where_it_is_given",)},
    ),
    Promise(
        "Secrets that the bridge sent are taken out of results and failures before they are kept.",
        {
            "unit/test_scrub.py": (
                "test_no_secret_is_left_in_any_string",
                "test_a_callback_address_is_known_whole_and_in_part",
            ),
            "doors/calls/test_workflow_results.py": (
                "test_a_secret_that_a_file_repeats_is_taken_out",
                "test_what_a_workflow_says_of_its_failure_reaches_claude_without_secrets",
            ),
        },
    ),
)
