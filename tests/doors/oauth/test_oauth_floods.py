"""What crowds without a credential can make the built-in authorization server keep and do."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.responses import Response

from bridge.auth.throttle import LINES_MAX
from bridge.store.grants import ANSWERED_MAX, GrantStore
from bridge.web.oauth.documents import AT_ONCE_MAX, OF_ONE_MAX
from tests.client_documents import Teller, document, telling
from tests.doors.oauth_by_hand import CALLBACK, Flow, kept_of_oauth, open_flow
from tests.waiting import wait_until

CROWD = 200


@pytest.fixture
async def flow(redis_url: str) -> AsyncIterator[Flow]:
    async with open_flow(redis_url) as opened:
        await opened.register()
        yield opened


async def test_a_crowd_that_registers_and_asks_leaves_nothing_and_keeps_nobody_out(
    flow: Flow,
) -> None:
    _, form = await flow.page()
    before = await kept_of_oauth(flow)
    other = Flow(flow.http, flow.origin, app=flow.app)
    for number in range(CROWD):
        await other.register(f"{CALLBACK}/{number}", client_name="x" * 900)
        await other.page(redirect_uri=f"{CALLBACK}/{number}", state="x" * 900)
    assert await kept_of_oauth(flow) == before == {"{bridge}:oauth_key"}
    code = await flow.answer(form)
    assert code.status_code == 303
    assert (await flow.code()) != ""


async def test_a_crowd_that_refuses_is_remembered_within_bounds(flow: Flow) -> None:
    store = GrantStore(flow.runtime.steps)
    await asyncio.gather(*(store.refuse(f"question {n}") for n in range(ANSWERED_MAX + CROWD)))
    assert await kept_of_oauth(flow) == {"{bridge}:oauth_key", "{bridge}:oauth_answered"}
    assert await flow.runtime.redis.zcard("{bridge}:oauth_answered") == ANSWERED_MAX


@pytest.mark.parametrize(
    "told",
    [
        {"redirect_uris": [f"https://a.example/{n}{n * n}{'%' * 99}" for n in range(30)]},
        {"client_name": "".join(map(chr, range(0x4E00, 0x4E00 + 3000)))},
    ],
)
async def test_a_client_tells_no_more_than_an_address_holds(flow: Flow, told: object) -> None:
    answer = await flow.http.post(
        f"{flow.origin}/register",
        json={"redirect_uris": [CALLBACK]} | told,  # type: ignore[operator]
    )
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_client_metadata", "invalid_redirect_uri")


async def test_a_question_is_no_longer_than_an_address_holds(flow: Flow) -> None:
    state = "".join(f"{n * n * n:x}" for n in range(3000))
    answer = await flow.authorize(state=state)
    assert "error=invalid_request" in answer.headers["location"]
    answer = await flow.authorize(state=state[:2000])
    assert len(answer.headers["location"]) < 8000
    assert answer.headers["location"].startswith(f"{flow.origin}/consent?")


class Slow:
    """Tells of clients once it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()

    async def tell(self, url: str) -> Response:
        if "slow" in url:
            await self.may.wait()
        return document(url)


async def test_only_so_many_documents_are_read_at_once_and_known_clients_have_room(
    redis_url: str, tmp_path: Path
) -> None:
    slow = Slow()
    async with (
        telling(tmp_path) as teller,
        open_flow(redis_url, trusted_proxies=("127.0.0.1",)) as flow,
    ):
        teller.tell = slow.tell
        flow.app.documents = teller.here
        flow.client_id = teller.url
        await flow.tokens()
        crowd = [asyncio.create_task(_asks_by(flow, teller, n)) for n in range(AT_ONCE_MAX)]

        async def are_read() -> bool:
            return len(teller.asked) == 1 + AT_ONCE_MAX

        await wait_until(are_read, "as many as may are read")
        assert await _asks_by(flow, teller, AT_ONCE_MAX) == 503, "there are enough in all"
        same = asyncio.create_task(_asks_by(flow, teller, 0))
        await flow.tokens()
        assert len(teller.asked) == 2 + AT_ONCE_MAX
        slow.may.set()
        assert {await each for each in (*crowd, same)} == {302}
        assert await _asks_by(flow, teller, AT_ONCE_MAX) == 302


async def test_one_address_has_few_documents_read_at_once(flow: Flow, tmp_path: Path) -> None:
    slow = Slow()
    async with telling(tmp_path) as teller:
        teller.tell = slow.tell
        flow.app.documents = teller.here
        crowd = [asyncio.create_task(_asks_by(flow, teller, n)) for n in range(OF_ONE_MAX)]
        await wait_until(lambda: len(teller.asked) == OF_ONE_MAX, "as many as may are read")
        assert await _asks_by(flow, teller, OF_ONE_MAX) == 503
        slow.may.set()
        assert {await each for each in crowd} == {302}


@pytest.mark.usefixtures("no_minute_ends")
async def test_a_crowd_leaves_few_lines_in_the_log(
    flow: Flow, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(LINES_MAX + 40):
            await flow.register()
    lines = [line for line in caplog.records if line.name == "audit"]
    assert len(lines) <= LINES_MAX
    (quiet,) = [line for line in caplog.records if line.message == "strangers.not_logged"]
    assert vars(quiet)["clients"] == ("127.0.0.1",)


async def _asks_by(flow: Flow, teller: Teller, number: int) -> int:
    """Ask by one document of many; every few come from an address of their own."""
    asked = await flow.http.get(
        f"{flow.origin}/authorize",
        params={
            "client_id": teller.url.replace("/c.json", f"/slow/{number}"),
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "code_challenge": flow.challenge,
            "resource": flow.resource,
        },
        headers={"x-forwarded-for": f"192.0.2.{number // OF_ONE_MAX}"},
    )
    return asked.status_code
