"""An event that is asked in the middle of a call is shown with the call until it is settled."""

import pytest

from bridge.errors import ConflictError, InvalidError
from bridge.models import CallStatus, EventId, Question, new_lease_token
from bridge.store.runs import Running
from tests.store.call_records import now, run_sent
from tests.store.records import ALICE, HOOK, STRANGER, Desk, new_event

FAILED = CallStatus.FAILED


async def ask(web: Desk, running: Running) -> EventId:
    return (await web.accept(b'"?"', call_id=running.call.call_id)).event_id


async def asked(web: Desk, running: Running) -> Question | None:
    return (await now(web, running)).question


async def test_an_open_question_is_shown_with_its_call(web: Desk) -> None:
    running = await run_sent(web)
    event_id = await ask(web, running)

    question = await asked(web, running)

    assert question
    assert (question.event_id, question.hook, question.is_taken) == (event_id, HOOK, False)
    assert question.body.content == b'"?"'
    assert (await now(web, running)).asks


async def test_a_question_that_is_taken_does_not_call_for_an_answer(web: Desk) -> None:
    running = await run_sent(web)
    event_id = await ask(web, running)
    found = await web.claims.take_one(event_id, ALICE, new_lease_token())
    assert found

    question = await asked(web, running)

    assert question
    assert question.is_taken
    assert not (await now(web, running)).asks


async def test_a_question_is_shown_no_more_once_it_is_settled(web: Desk) -> None:
    running = await run_sent(web)
    await ask(web, running)
    held = await web.take()
    assert held

    await web.events.answer(held, b'"!"')

    assert await asked(web, running) is None


async def test_a_question_that_was_given_back_is_open_again(web: Desk) -> None:
    running = await run_sent(web)
    event_id = await ask(web, running)
    held = await web.take()
    assert held

    await web.events.release(held, status="queued")

    question = await asked(web, running)
    assert question
    assert (question.event_id, question.is_taken) == (event_id, False)


async def test_of_two_questions_the_older_one_is_shown_first(web: Desk) -> None:
    running = await run_sent(web)
    first, second = await ask(web, running), await ask(web, running)
    question = await asked(web, running)
    assert question
    assert question.event_id == first
    held = await web.take()
    assert held

    await web.events.answer(held, b'"!"')

    question = await asked(web, running)
    assert question
    assert question.event_id == second


async def test_every_open_question_is_shown_and_the_one_that_nobody_answers_comes_next(
    web: Desk,
) -> None:
    running = await run_sent(web)
    first, second = await ask(web, running), await ask(web, running)
    assert await web.claims.take_one(first, ALICE, new_lease_token())

    call = await now(web, running)

    assert [question.event_id for question in call.questions] == [first, second]
    assert [question.event_id for question in call.unanswered] == [second]
    assert call.asks
    assert call.question == call.unanswered[0]


async def test_an_ended_call_shows_no_question(web: Desk) -> None:
    running = await run_sent(web)
    await ask(web, running)

    await web.runs.finish(running, FAILED)

    assert await asked(web, running) is None


async def test_a_question_changes_its_call_and_wakes_who_waits_for_it(web: Desk) -> None:
    running = await run_sent(web)
    await web.redis.hset(f"{{bridge}}:call:{running.call.call_id}", "updated_at", "1")

    await ask(web, running)

    assert (await now(web, running)).updated_at_ms > 1


async def test_nobody_asks_for_a_call_that_is_not_there(web: Desk) -> None:
    strange = await run_sent(web, principal=STRANGER)

    for call_id in ("call_none", strange.call.call_id):
        with pytest.raises(InvalidError, match="Bridge-Call-Id names no call of this server"):
            await web.events.accept(new_event(call_id=call_id))

    assert await web.take() is None


async def test_nobody_asks_for_a_call_that_has_ended(web: Desk) -> None:
    running = await run_sent(web)
    await web.runs.finish(running, FAILED)

    with pytest.raises(ConflictError, match="has failed"):
        await ask(web, running)

    assert await web.take() is None


async def test_a_repeated_question_is_a_duplicate_even_after_its_call(web: Desk) -> None:
    running = await run_sent(web)
    new = new_event(call_id=running.call.call_id, idempotency="key")
    await web.events.accept(new)
    await web.runs.finish(running, FAILED)

    outcome, event = await web.events.accept(
        new_event(call_id=running.call.call_id, idempotency="key")
    )

    assert event
    assert (outcome, event.event_id) == ("duplicate", new.event_id)


async def test_only_a_queued_event_is_taken_by_its_id(web: Desk) -> None:
    event = await web.accept()
    token = new_lease_token()

    found = [await web.claims.take_one(event.event_id, ALICE, token) for _ in range(2)]

    assert [bool(each) for each in found] == [True, True], "a repeated step takes it once"
    assert await web.claims.take_one(event.event_id, ALICE, new_lease_token()) is None
    assert await web.claims.take_one(EventId("evt_none"), ALICE, new_lease_token()) is None
