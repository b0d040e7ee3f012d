"""What is owed to a client: on record once for each request, and off it for who put it there."""

from bridge.models import CallId, Owed, ProcessId
from bridge.store.sessions import StreamStore
from tests.store.records import Desk

FIRST, LATER = CallId("call_first"), CallId("call_later")
REQUEST = {"jsonrpc": "2.0", "id": 7, "method": "tools/call"}


async def test_a_request_may_be_put_on_record_again_by_the_step_that_put_it_there(
    web: Desk,
) -> None:
    streams = StreamStore(web.steps, ProcessId("web_x"))
    for _ in range(2):
        assert await streams.register("one", "standing", Owed(REQUEST, FIRST), apart=True)
    assert not await streams.register("one", "standing", Owed(REQUEST, LATER), apart=True)


async def test_a_request_that_was_refused_takes_no_later_one_of_its_id_off_the_record(
    web: Desk,
) -> None:
    streams = StreamStore(web.steps, ProcessId("web_x"))
    await streams.register("one", "standing", Owed(REQUEST, LATER), apart=True)
    await streams.drop("one", "7", FIRST)
    assert not await streams.register("one", "standing", Owed(REQUEST, FIRST), apart=True)
    await streams.drop("one", "7", LATER)
    assert await streams.register("one", "standing", Owed(REQUEST, FIRST), apart=True)
