"""8: what n8n's answers mean."""

from tests.promised.promise import Promise

PROMISES = (
    Promise(
        "Each answer of a webhook is read by the first row of the table that it meets.",
        {
            "workers/test_answers.py": (
                "test_each_row_of_the_webhook_table_is_the_first_that_its_example_meets",
                "test_no_row_is_without_an_example",
                "test_every_answer_means_something_and_no_body_gets_into_a_reason",
            ),
            "workers/test_n8n.py": ("test_each_trouble_of_n8n_is_known_for_what_it_is",),
        },
    ),
    Promise(
        "What surely did not run is sent again until `timeout`, and counts as no attempt.",
        {
            "verbs/test_running_calls.py": (
                "test_the_answers_of_n8n_decide_on_a_call",
                "test_a_call_whose_time_is_over_is_not_sent_again",
            ),
            "workers/test_n8n.py": (
                "test_a_refused_connection_ran_nothing",
                "test_a_name_that_does_not_resolve_ran_nothing",
                "test_a_failure_of_tls_ran_nothing",
                "test_before_the_first_byte_nothing_ran",
            ),
            "store/test_calls.py": ("test_a_call_that_surely_did_not_run_costs_no_attempt",),
        },
    ),
    Promise(
        "A webhook that is not registered is tried for ten seconds, then the call has failed.",
        {"verbs/test_running_calls.py": ("test_a_webhook_that_stays_unknown_is_given_up",)},
    ),
    Promise(
        "What may have run is sent again only if the workflow is idempotent; else it says so.",
        {
            "workers/test_answers.py": ("test_what_may_have_run_says_so",),
            "workers/test_n8n.py": (
                "test_a_connection_that_breaks_before_the_answer_may_have_run",
                "test_an_answer_that_breaks_off_may_have_run",
                "test_after_the_first_byte_nothing_is_sure",
            ),
            "process/test_worker_deaths.py": (
                "test_a_call_that_n8n_runs_is_sent_again_only_if_it_is_idempotent",
            ),
        },
    ),
    Promise(
        "An answer with an empty body says so where a result was promised.",
        {"workers/test_answers.py": ("test_text_is_a_value_and_an_empty_body_says_so",)},
    ),
    Promise(
        "An execution that is followed is read until it has ended.",
        {
            "verbs/test_following_executions.py": (
                "test_the_execution_decides_on_a_call",
                "test_an_execution_that_outlasts_the_timeout_fails_the_call",
            ),
            "workers/test_executions.py": (
                "test_each_row_is_the_first_that_its_example_meets",
                "test_no_row_is_without_an_example",
            ),
        },
    ),
    Promise(
        "Each answer of a resume address settles the reply, or says when it is tried again.",
        {
            "workers/test_answers.py": (
                "test_each_row_of_the_resume_table_is_the_first_that_its_example_meets",
            ),
            "verbs/test_delivering_replies.py": (
                "test_the_answers_of_n8n_settle_a_reply",
                "test_a_reply_that_did_not_arrive_is_due_again",
            ),
        },
    ),
    Promise(
        "A reply that comes too late is a dead letter, unless an earlier attempt may have arrived.",
        {
            "verbs/test_delivering_replies.py": (
                "test_an_attempt_that_breaks_off_may_have_arrived",
                "test_the_answers_of_n8n_settle_a_reply",
            ),
            "process/test_worker_deaths.py": (
                "test_a_reply_that_n8n_took_is_known_as_delivered_and_resumes_no_second_wait",
            ),
        },
    ),
    Promise(
        "A reply is sent until its deadline, or until its time is over.",
        {
            "verbs/test_delivering_replies.py": (
                "test_a_reply_whose_deadline_has_passed_is_not_sent",
                "test_a_reply_before_its_deadline_is_sent",
                "test_a_reply_is_given_up_after_its_time",
            ),
        },
    ),
    Promise(
        "A reply has one sender at a time.",
        {
            "verbs/test_delivering_replies.py": ("test_two_who_deliver_at_once_send_once",),
            "store/test_replies.py": ("test_a_reply_has_one_sender_at_a_time",),
        },
    ),
    Promise(
        "The templates use a suffix for each Wait, so that a repeat never resumes the next one.",
        {"unit/test_templates.py": ("test_a_repeat_can_never_resume_the_next_wait_node",)},
    ),
)
