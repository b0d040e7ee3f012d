"""Searches of operators: what each filter lets through, in which order, and what they count."""

import pytest

from bridge.auth.authentication import Scope
from bridge.errors import NotFoundError
from bridge.formats.json_text import encode, spell
from bridge.formats.payloads import summarize
from bridge.models import CallStatus, Event, LeaseToken, Principal, ReplyStatus
from bridge.store.operators import OperatorStore
from bridge.store.searching import SearchStore
from bridge.store.tokens import TokenStore
from bridge.verbs.record_search import RecordKind, RecordSearch, SearchBudget
from bridge.verbs.records import Records
from tests.store.call_records import new_call, run
from tests.store.records import ADDRESS, ALICE, BOB, HOSTILE, STRANGER, Desk


@pytest.fixture
def records(web: Desk) -> Records:
    return Records(SearchStore(web.steps, look_at=4), OperatorStore(web.steps), {})


async def events(records: Records, **wanted: object) -> list[str]:
    page = await records.events(RecordSearch(**wanted), 100)  # type: ignore[arg-type] # as asked
    assert page.cursor is None
    return [event.event_id for event in page.rows]


async def calls(records: Records, **wanted: object) -> list[str]:
    page = await records.calls(RecordSearch(**wanted), 100)  # type: ignore[arg-type] # as asked
    assert page.cursor is None
    return [call.call_id for call in page.rows]


def ids(*found: Event) -> list[str]:
    return [event.event_id for event in found]


async def test_events_of_all_places_and_statuses_are_listed_newest_first(
    web: Desk, records: Records
) -> None:
    one = await web.taken(hook="ticket")
    two = await web.accept(server="sales", hook="order")
    three = await web.accept(hook="letter")
    await web.events.answer(one, b"1")

    assert await events(records) == [three.event_id, two.event_id, one.event_id]
    assert await events(records, server="sales") == ids(two)
    assert await events(records, part="letter") == ids(three)
    assert await events(records, statuses=("queued",)) == ids(three, two)
    assert await events(records, principal=ALICE.name) == [one.event_id]
    assert await events(records, since=three.order) == ids(three)
    assert await events(records, before=two.order) == [one.event_id]


async def test_an_event_that_waits_to_be_queued_again_counts_as_queued(
    web: Desk, records: Records
) -> None:
    claim = await web.taken()
    await web.events.release(claim, status="delayed", delay_s=60)

    assert await events(records, statuses=("queued",)) == [claim.event_id]
    counts = await records.count(RecordKind.EVENTS, RecordSearch())
    assert counts.by_status == {"queued": 1}


async def test_a_text_is_found_in_ids_and_summaries_of_events(web: Desk, records: Records) -> None:
    one = await web.accept(summary="Kim [has] a question", execution="aBc9/41")
    await web.accept(summary="Bob has none")

    for text in ("kim", "[HAS]", "abc9/41", one.event_id, one.event_id.upper()[5:15]):
        assert await events(records, text=text) == ids(one)
    assert await events(records, text="queued") == []


async def test_a_text_is_found_as_people_write_it_though_a_summary_is_json(
    web: Desk, records: Records
) -> None:
    written = 'Kim said: "50% off\nC:\\new" — Müller/日本'
    spelled = await web.accept(summary=summarize(spell({"note": written}).encode()))
    in_ascii = await web.accept(summary=summarize(encode({"note": written})))
    await web.accept()

    for text in (written, '"50%', "C:\\NEW", "off\nC", "Müller/日本", 'said: \\"50%'):
        assert await events(records, text=text) == ids(in_ascii, spelled)


async def test_a_text_is_found_in_ids_and_failures_of_calls(web: Desk, records: Records) -> None:
    one = await web.calls.create(new_call(trace="00-abc-01-00"))
    await web.calls.create(new_call(arguments=b'"too many"'))
    assert await web.calls.cancel(one.call_id, "too many")

    for text in ("TOO MANY", "00-abc", one.call_id):
        assert await calls(records, text=text) == [one.call_id]


async def test_calls_of_all_principals_are_listed_newest_first(web: Desk, records: Records) -> None:
    one = (await run(web)).call.call_id
    two = (await web.calls.create(new_call(BOB, workflow="other"))).call_id
    three = (await web.calls.create(new_call(STRANGER))).call_id

    assert await calls(records) == [three, two, one]
    assert await calls(records, server="support") == [two, one]
    assert await calls(records, principal="alice") == [three, one]
    assert await calls(records, part="other") == [two]
    assert await calls(records, statuses=("running",)) == [one]
    counts = await records.count(RecordKind.CALLS, RecordSearch(server="support"))
    assert (counts.by_status, counts.total) == ({"running": 1, "queued": 1}, 2)


async def test_replies_are_listed_and_counted_by_their_own_status(
    web: Desk, records: Records
) -> None:
    pending, dead = [await web.taken(reply_url=ADDRESS) for _ in range(2)]
    for claim in (await web.taken(), pending, dead):
        await web.events.answer(claim, b"1")
    sending = await web.replies.lease(dead.event_id, LeaseToken("t"))
    assert sending
    await web.replies.settle(sending, ReplyStatus.DEAD, failure="n8n said no")

    page = await records.replies(RecordSearch(), 10)
    assert ids(*page.rows) == [dead.event_id, pending.event_id]
    assert page.rows[0].reply.last_failure == "n8n said no"
    page = await records.replies(RecordSearch(statuses=("dead",)), 10)
    assert ids(*page.rows) == [dead.event_id]
    counts = await records.count(RecordKind.REPLIES, RecordSearch())
    assert counts.by_status == {"pending": 1, "dead": 1}


async def test_lists_hold_no_payload_answer_argument_or_address(
    web: Desk, records: Records
) -> None:
    claim = await web.taken(reply_url=ADDRESS, body=b'"secret"')
    await web.events.answer(claim, b'"secret"')
    await web.calls.create(new_call(arguments=b'"secret"'))

    found = [
        (await records.events(RecordSearch(), 1)).rows,
        (await records.replies(RecordSearch(), 1)).rows,
        (await records.calls(RecordSearch(), 1)).rows,
    ]

    assert "secret" not in str(found)
    assert ADDRESS not in str(found)


async def test_what_has_expired_is_in_no_list_and_leaves_the_index(
    web: Desk, records: Records
) -> None:
    event, call = await web.accept(), await web.calls.create(new_call())
    await web.redis.delete(f"{{bridge}}:event:{event.event_id}", f"{{bridge}}:call:{call.call_id}")

    assert await events(records) == await calls(records) == []
    assert not [key async for key in web.redis.scan_iter("{bridge}:inbox:*")]
    assert not [key async for key in web.redis.scan_iter("{bridge}:calls:*")]


async def test_a_search_may_be_repeated_and_changes_nothing(web: Desk, records: Records) -> None:
    for _ in range(9):
        await web.accept()
        await web.calls.create(new_call())
    before = await web.everything()

    for kind in RecordKind:
        assert await records.count(kind, RecordSearch()) == await records.count(
            kind, RecordSearch()
        )
    assert await events(records) == await events(records)
    assert await calls(records) == await calls(records)
    assert await web.everything() == before


async def test_a_search_that_takes_too_long_says_from_where_to_go_on(
    web: Desk, records: Records
) -> None:
    for _ in range(30):
        await web.accept()

    page = await records.events(RecordSearch(text="none"), 10, SearchBudget(0))
    assert (page.rows, page.is_cut, page.left) == ([], True, 30 - 4)
    counts = await records.count(RecordKind.EVENTS, RecordSearch(), SearchBudget(0))
    assert counts.cursor is not None
    rest = await records.count(RecordKind.EVENTS, RecordSearch(before=counts.cursor))
    assert (counts.total + rest.total, rest.cursor) == (30, None)


async def test_a_search_looks_at_no_more_than_so_much_however_fast_it_is(
    web: Desk, records: Records
) -> None:
    for _ in range(12):
        await web.calls.create(new_call())

    page = await records.calls(RecordSearch(text="none"), 10, SearchBudget(60, steps=2))
    assert (page.rows, page.is_cut, page.left) == ([], True, 12 - 2 * 4)


@pytest.mark.parametrize("text", HOSTILE[1:])
async def test_whatever_is_looked_for_is_looked_for_as_it_is(
    text: str, web: Desk, records: Records
) -> None:
    await web.accept()

    assert await events(records, text=text) == await calls(records, text=text) == []


@pytest.mark.parametrize(
    ("kind", "wanted", "says"),
    [
        (RecordKind.EVENTS, {"server": "x"}, "there is no server x; there are: support"),
        (RecordKind.EVENTS, {"part": "x"}, "there is no hook x; there are: ticket"),
        (RecordKind.REPLIES, {"part": "x"}, "there is no hook x; there are: ticket"),
        (RecordKind.CALLS, {"server": "x"}, "there is no server x; there are: support"),
        (RecordKind.CALLS, {"part": "x"}, "there is no workflow x; there are: parse"),
        (RecordKind.CALLS, {"part": "x", "before": 9}, "there is no workflow x; there are: parse"),
        (RecordKind.EVENTS, {"principal": "x"}, "there is no principal x; there are: alice, eve"),
        (RecordKind.CALLS, {"principal": "x"}, "there is no principal x; there are: alice, eve"),
    ],
)
async def test_a_name_that_nothing_has_is_refused_and_those_there_are_named(
    kind: RecordKind, wanted: dict[str, str], says: str, web: Desk, records: Records
) -> None:
    await web.accept()
    await web.runs.finish(await run(web), CallStatus.FAILED)
    await TokenStore(web.steps).add("digest", Principal("support", "eve"), Scope(), None)

    with pytest.raises(NotFoundError) as refused:
        await records.count(kind, RecordSearch(**wanted))  # type: ignore[arg-type] # as asked
    assert str(refused.value) == says


async def test_a_name_that_one_record_alone_has_is_none_to_refuse(
    web: Desk, records: Records
) -> None:
    await web.accept()
    await web.take(principal=Principal("support", "~one/who logged in"))
    await web.calls.create(new_call(workflow="open"))

    assert await events(records, principal="~one/who logged in", text="none") == []
    assert await calls(records, part="open", text="none") == []
    assert await calls(records, part="open", before=9) == []
