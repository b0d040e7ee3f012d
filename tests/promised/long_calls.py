"""7: long calls, and what becomes of them when something drops."""

from tests.promised.promise import Promise

PROMISES = (
    Promise(
        "A call is on record before anything is sent to n8n, and as sent before the first byte.",
        {
            "verbs/test_running_calls.py": (
                "test_a_call_is_on_record_as_sent_once_its_first_byte_is_to_leave",
                "test_starting_a_call_wakes_a_worker",
            ),
            "process/test_web_deaths.py": (
                "test_a_call_on_record_is_run_though_no_worker_was_woken",
            ),
            "process/test_worker_deaths.py": (
                "test_a_call_on_record_as_sent_may_have_run_though_no_byte_has_left",
            ),
        },
    ),
    Promise(
        "A call that must be approved is not sent before somebody has approved of its very "
        "arguments, and never if they refuse or nobody does in time.",
        {
            "store/test_approvals.py": (
                "test_nothing_that_leads_a_worker_to_it_begins_an_attempt",
                "test_what_was_seen_otherwise_is_not_approved",
                "test_a_call_is_decided_about_once",
                "test_a_refused_call_has_failed_and_no_equal_one_joins_it",
                "test_nobody_approves_once_its_time_is_over_and_then_it_ends",
            ),
            "verbs/test_approving.py": (
                "test_a_call_waits_for_approval_where_its_workflow_says_so",
                "test_a_call_that_is_run_again_must_be_approved_again",
                "test_a_call_that_was_begun_where_nobody_had_to_approve_is_held_before_it_is_sent",
            ),
            "verbs/test_approval_requests.py": ("test_who_has_made_the_call_cannot_answer",),
            "upgrade/test_approving.py": (
                "test_an_earlier_worker_runs_no_call_that_waits_whatever_leads_it_there",
            ),
            "chaos/test_chaos.py": ("test_nothing_accepted_is_lost_or_run_twice_whatever_fails",),
        },
    ),
    Promise(
        "Whoever waits gets a keepalive comment every `BRIDGE_KEEPALIVE_S`, on every wire.",
        {
            "doors/wires/test_sse.py": ("test_a_silent_stream_shows_that_it_lives",),
            "doors/wires/test_streamable_2025.py": (
                "test_a_silent_stream_shows_that_it_lives",
                "test_a_standing_stream_shows_that_it_lives",
            ),
            "doors/wires/test_streamable_2026.py": (
                "test_a_call_that_takes_long_opens_its_stream_before_it_has_an_answer",
            ),
            "doors/calls/test_progress.py": (
                "test_progress_does_not_silence_the_comments_beside_it",
            ),
        },
    ),
    Promise(
        "Whoever asks for progress hears of it at least every 15 seconds, on every wire.",
        {
            "doors/calls/test_progress.py": (
                "test_progress_comes_early_and_at_least_every_15_seconds",
                "test_progress_goes_on_and_never_back",
                "test_what_the_workflow_reports_of_itself_is_told",
            ),
        },
    ),
    Promise(
        "A client that declares tasks gets one, whose id is the call's; any other gets none.",
        {
            "doors/calls/test_tasks.py": (
                "test_a_client_that_takes_tasks_gets_one_before_the_work_is_done",
                "test_a_client_that_takes_no_tasks_gets_the_result_itself",
                "test_a_task_and_a_handle_are_one_call",
            ),
        },
    ),
    Promise(
        "A task is completed by n8n's success and failure, failed by a fault of the bridge.",
        {
            "doors/calls/test_tasks.py": (
                "test_a_workflow_that_succeeds_completes_its_task_with_the_result",
                "test_a_workflow_that_fails_in_n8n_completes_its_task_with_an_error",
                "test_a_fault_of_the_bridge_fails_the_task",
                "test_an_expired_task_says_that_its_result_is_gone",
            ),
        },
    ),
    Promise(
        "A plain call gets its result in time, or a handle that leads to it.",
        {
            "doors/tools/test_output_schemas.py": (
                "test_a_handle_and_a_result_are_what_the_output_schema_says",
            ),
            "process/test_drain.py": (
                "test_a_client_that_could_not_resume_is_answered_before_the_end",
            ),
        },
    ),
    Promise(
        "A 2025 stream goes on by `Last-Event-ID` at any web process.",
        {
            "doors/wires/test_resuming.py": (
                "test_a_broken_stream_goes_on_at_another_process_where_it_broke",
                "test_a_finished_stream_can_be_read_again_from_any_place",
            ),
            "process/test_frame_deaths.py": (
                "test_on_the_2025_wire_the_resumed_stream_brings_it",
                "test_on_the_2025_wire_another_process_waits_on",
            ),
        },
    ),
    Promise(
        "An HTTP+SSE session goes on with the client's next stream, at any web process.",
        {
            "doors/wires/test_reattaching.py": (
                "test_a_frame_that_was_missed_comes_on_the_next_stream_of_the_only_client",
                "test_last_event_id_decides_where_the_stream_goes_on",
            ),
            "process/test_frame_deaths.py": (
                "test_on_http_sse_the_next_stream_brings_it",
                "test_on_http_sse_another_process_waits_on",
            ),
        },
    ),
    Promise(
        "On the 2026 wire the same call again brings the result of the one that was cut off.",
        {
            "process/test_frame_deaths.py": (
                "test_on_the_2026_wire_the_same_call_again_brings_it",
            ),
            "doors/wires/test_http_acks.py": (
                "test_a_result_that_may_not_have_come_is_given_to_the_same_call_again_which_is_told",
            ),
        },
    ),
    Promise(
        "Closing a stream and `notifications/cancelled` end the waiting, not a call that was sent.",
        {
            "doors/calls/test_cancellation.py": (
                "test_a_cancelled_request_of_2025_leaves_its_call_running",
                "test_a_request_of_2026_that_is_broken_off_leaves_its_call_running",
            ),
            "doors/calls/test_unwaited_calls.py": (
                "test_one_that_was_sent_runs_on_without_anybody",
            ),
        },
    ),
    Promise(
        "A call that was not sent and that nobody has waited for in 60 seconds is cancelled.",
        {
            "doors/calls/test_unwaited_calls.py": (
                "test_one_that_was_not_sent_ends_when_nobody_has_waited_for_60_seconds",
                "test_one_that_somebody_waits_for_is_sent_however_late_that_is",
            ),
        },
    ),
    Promise(
        "Only `cancel_call` and `tasks/cancel` stop a call that was sent.",
        {
            "doors/calls/test_tasks.py": (
                "test_cancelling_a_task_stops_the_call_that_was_sent",
                "test_cancelling_a_task_that_has_ended_changes_nothing",
            ),
            "verbs/test_running_calls.py": (
                "test_a_call_that_is_cancelled_while_it_is_sent_stops_the_sending",
            ),
        },
    ),
    Promise(
        "A call joins an earlier one only if server, principal, tool and arguments are equal.",
        {
            "verbs/test_attaching.py": (
                "test_the_same_call_joins_one_that_is_not_finished",
                "test_another_tool_principal_or_argument_is_another_call",
                "test_a_tool_use_alone_selects_no_call",
            ),
        },
    ),
    Promise(
        "A finished call is joined within `attach_for` if its result was not received.",
        {
            "verbs/test_attaching.py": (
                "test_a_result_that_reached_nobody_is_given_to_the_same_call",
                "test_an_intended_repeat_after_the_result_was_handed_over_runs_anew",
                "test_after_attach_for_a_finished_call_is_joined_no_more",
                "test_attach_false_joins_nothing",
            ),
        },
    ),
    Promise(
        "The same use of a tool by Claude Code gets its result again, even a received one.",
        {
            "verbs/test_attaching.py": (
                "test_the_same_tool_use_gets_its_result_again_even_after_the_handover",
                "test_each_tool_use_gets_the_result_of_its_own_call_again",
            ),
        },
    ),
    Promise(
        "A result is received if its stream was open five seconds later.",
        {
            "doors/wires/test_http_acks.py": (
                "test_a_result_is_received_once_its_stream_was_open_five_seconds_later",
            ),
            "doors/wires/test_reattaching.py": (
                "test_what_has_surely_arrived_is_not_sent_again_and_its_call_runs_anew",
            ),
        },
    ),
    Promise(
        "A result is received if its session or connection made a later request.",
        {
            "process/test_repeats.py": (
                "test_the_next_request_on_a_connection_proves_that_the_answer_before_it_came",
                "test_a_later_request_does_not_prove_what_a_frozen_process_has_answered",
                "test_a_request_that_is_read_when_its_client_has_left_is_not_begun",
                "test_a_request_that_is_taken_over_joins_the_one_that_its_client_made_instead",
            ),
            "doors/wires/test_http_acks.py": (
                "test_a_later_request_of_a_session_proves_no_answer_that_was_not_acknowledged",
            ),
            "process/test_stdio_ends.py": (
                "test_the_same_call_runs_anew_once_its_answer_was_read",
            ),
        },
    ),
    Promise(
        "A result is received if its client took every byte and then closed in good order.",
        {
            "doors/wires/test_http_acks.py": (
                "test_a_call_that_is_meant_twice_runs_twice_for_clients_that_take_and_leave",
                "test_a_session_that_its_client_ends_has_what_it_was_given",
            ),
        },
    ),
    Promise(
        "A result that was read by its id is received.",
        {
            "process/test_repeats.py": (
                "test_a_result_that_was_read_by_its_id_is_received_behind_a_proxy_too",
            ),
        },
    ),
    Promise(
        "A proxy's connection proves nothing, unless the proxy passes its client's leaving on.",
        {
            "process/test_repeats.py": ("test_behind_a_proxy_a_connection_proves_nothing",),
            "doors/wires/test_http_acks.py": (
                "test_a_proxy_that_tells_of_clients_that_leave_speaks_for_those_that_have_not",
            ),
        },
    ),
    Promise(
        "A joined answer says so where each client looks.",
        {
            "doors/tools/test_output_schemas.py": (
                "test_a_failure_of_an_earlier_call_says_that_it_is_one",
            ),
            "doors/calls/test_tasks.py": (
                "test_a_task_of_an_earlier_call_says_so_and_is_on_record_by_its_id",
                "test_the_result_of_a_task_that_a_later_request_was_given_too_says_so",
            ),
        },
    ),
    Promise(
        "The death of a web process loses nothing.",
        {
            "process/test_web_deaths.py": (
                "test_an_event_whose_sender_got_no_answer_is_there_once_when_sent_again",
                "test_a_reply_on_record_is_delivered_though_no_worker_was_woken",
            ),
            "process/test_tasks_outlive.py": (
                "test_a_task_that_works_goes_on_while_the_store_and_every_web_process_die",
            ),
        },
    ),
    Promise(
        "A dead worker's calls are taken over within ten seconds, none sent twice in silence.",
        {
            "process/test_takeover.py": (
                "test_calls_of_a_killed_worker_are_failed_or_sent_again_within_ten_seconds",
                "test_executions_that_a_killed_worker_followed_are_followed_on",
            ),
            "process/test_worker_deaths.py": (
                "test_a_call_that_was_leased_and_not_sent_is_run",
                "test_a_call_that_n8n_runs_is_sent_again_only_if_it_is_idempotent",
                "test_a_call_whose_answer_was_not_put_down_is_sent_again_only_if_it_is_idempotent",
            ),
        },
    ),
    Promise(
        "A store that was away is no dead worker.",
        {
            "process/test_redis_away.py": (
                "test_200_calls_outlive_a_store_that_is_away_for_15_seconds",
                "test_a_store_that_freezes_for_longer_than_a_process_may_is_no_death",
            ),
            "workers/test_sweeper.py": (
                "test_an_answer_that_redis_was_long_about_declares_nobody_dead",
            ),
        },
    ),
    Promise(
        "Nothing accepted is lost or run twice, whatever fails.",
        {
            "chaos/test_chaos.py": ("test_nothing_accepted_is_lost_or_run_twice_whatever_fails",),
            "machines/test_machines.py": (
                "test_nothing_accepted_is_lost_or_run_twice_when_hosts_are_cut_off",
            ),
            "store/test_call_machine.py": (
                "test_calls_do_what_the_model_does_in_any_order_of_steps",
            ),
        },
    ),
    Promise(
        "With BRIDGE_REPLICAS_MIN nothing answered is lost or run twice when a replica takes over.",
        {
            "failover/test_failover.py": (
                "test_failovers_lose_nothing_accepted_and_run_nothing_twice",
            ),
            "store/test_replicas.py": (
                "test_an_event_is_accepted_once_a_replica_has_it",
                "test_a_step_that_no_replica_acknowledges_is_given_up_and_says_why",
                "test_what_another_process_has_just_written_is_promised_no_sooner",
            ),
            "store/test_primary.py": (
                "test_every_connection_of_a_process_leads_to_the_new_primary_soon",
            ),
            "store/test_one_address.py": (
                "test_connections_lead_to_the_new_primary_though_its_address_is_the_same",
                "test_an_old_primary_that_does_not_know_it_is_left_because_nobody_follows_it",
            ),
        },
    ),
    Promise(
        "Results are kept for their time, through restarts of everything.",
        {
            "process/test_tasks_outlive.py": (
                "test_a_result_is_kept_through_the_death_of_the_store_and_every_web_process",
            ),
            "store/test_calls.py": ("test_a_call_whose_result_was_dropped_is_expired",),
        },
    ),
)
