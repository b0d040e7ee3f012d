"""5: Claude to the bridge over HTTP."""

from tests.promised.promise import Promise

PROMISES = (
    Promise(
        "One address serves the wire of 2026-07-28 and those of 2025.",
        {
            "doors/wires/test_streamable_2026.py": (
                "test_a_client_of_both_eras_takes_the_newer_one_at_the_common_address",
                "test_a_session_is_the_same_at_both_addresses",
            ),
        },
    ),
    Promise(
        "`/mcp-2025` answers a request of 2026 so that its client falls back.",
        {
            "doors/wires/test_streamable_2026.py": (
                "test_the_resumable_address_names_the_versions_it_serves",
                "test_a_client_of_both_eras_falls_back_at_the_resumable_address",
            ),
        },
    ),
    Promise(
        "`/sse` speaks HTTP+SSE of 2024-11-05.",
        {
            "doors/wires/test_sse.py": (
                "test_the_first_event_says_where_messages_go_and_how_soon_to_come_back",
                "test_a_handshake_settles_the_version",
                "test_answers_come_on_the_stream",
            ),
        },
    ),
    Promise(
        "Any web process serves any request of any session.",
        {
            "doors/wires/test_streamable_2025.py": (
                "test_any_process_serves_any_session",
                "test_a_client_is_asked_across_processes",
            ),
            "doors/wires/test_sse.py": ("test_any_process_takes_the_messages_of_a_session",),
            "process/test_many_webs.py": (
                "test_each_of_200_requests_succeeds_whichever_process_it_reaches",
            ),
        },
    ),
    Promise(
        "Without a token of the server nobody gets in.",
        {
            "doors/auth/test_entry.py": ("test_without_a_token_of_the_server_nobody_gets_in",),
            "doors/auth/test_scopes.py": ("test_a_token_of_another_server_is_no_token",),
            "doors/auth/test_other_principals.py": (
                "test_whoever_has_no_token_learns_nothing_of_what_there_is",
            ),
        },
    ),
    Promise(
        "A foreign `Origin` is answered 403, a foreign `Host` 421, but where health is asked for.",
        {
            "doors/requests/test_dns_rebinding.py": (
                "test_a_host_that_is_not_ours_is_misdirected_on_every_path",
                "test_an_origin_that_is_not_ours_is_forbidden_on_every_path",
            ),
            "doors/auth/test_entry.py": ("test_whoever_asks_for_health_may_call_us_what_he_likes",),
        },
    ),
    Promise(
        "A process that starts or drains is alive and not ready.",
        {
            "doors/requests/test_readiness.py": (
                "test_a_process_that_starts_is_alive",
                "test_a_process_that_drains_is_not_ready",
            ),
        },
    ),
    Promise(
        "Metrics off loopback want their token.",
        {
            "doors/auth/test_guess_throttle.py": (
                "test_without_its_token_metrics_answer_no_proxy_whatever_it_calls_itself",
            ),
        },
    ),
    Promise(
        "What is another's, a session, a task or a stream, is answered as what is unknown.",
        {
            "doors/auth/test_other_principals.py": (
                "test_a_task_of_another_is_unknown",
                "test_a_session_of_another_is_unknown_however_it_is_used",
                "test_a_stream_of_another_cannot_be_resumed",
                "test_a_resource_of_another_server_is_unknown",
            ),
        },
    ),
)
