"""The console as a browser has it: what is clicked, and what pages do by themselves."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from bridge.app import BridgeApp
from bridge.configuration.settings import Settings
from bridge.local.ports import free_port
from bridge.store.searching import LOOK_AT
from bridge.verbs.record_search import SearchBudget
from tests.apps import RunningApp
from tests.doors.conftest import DESK
from tests.doors.console.operating import OPERATOR, TOKENS, Desktop
from tests.openid_provider import provider
from tests.screenshots.browser import Browser, browser
from tests.screenshots.crowded import crowd
from tests.serving import serving
from tests.waiting import wait_until
from tests.working import working

pytestmark = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="there is no Chromium on this machine"
)
WITHIN_S = 15
"""How long a busy machine may take."""


@dataclass(frozen=True)
class Screen:
    """A browser before a console of a bridge, which others use meanwhile."""

    chromium: Browser
    desk: Desktop

    @property
    def console(self) -> str:
        """Where the console is."""
        return f"{self.desk.browser.base_url}/console"

    async def log_in(self, page: str = "") -> None:
        """Open a page, and fill the form that it leads to."""
        await self.chromium.open(f"{self.console}{page}")
        await self.chromium.run(f"document.querySelector('#token').value = '{OPERATOR}'")
        await self.click("button.main")
        await self.shows("main#content")

    async def click(self, selector: str) -> None:
        """Click what leads to a page; return once that is there, for a click before it is lost."""
        async with self.chromium.loading():
            await self.chromium.run(f"document.querySelector('{selector}').click()")

    async def shows(self, selector: str, text: str = "") -> None:
        """Wait until something is there, and a text in it."""
        found = f"document.querySelector('{selector}')?.textContent.includes('{text}')"
        await wait_until(lambda: self._is(found), f"{text or 'anything'} in {selector}", WITHIN_S)

    async def text(self, selector: str) -> str:
        """Return what is written somewhere."""
        return str(await self.chromium.run(f"document.querySelector('{selector}').textContent"))

    async def _is(self, condition: str) -> Any:
        with contextlib.suppress(Exception):  # between two pages there is none to ask
            return await self.chromium.run(condition)


@contextlib.asynccontextmanager
async def bridge(redis_url: str, port: int = 0, **settings: Any) -> AsyncIterator[Desktop]:
    """Serve a bridge with a console."""
    app = BridgeApp(Settings(redis_url=redis_url, **(TOKENS | settings)), {DESK.name: DESK})
    async with serving(app, port) as address, httpx2.AsyncClient(base_url=address) as client:
        yield Desktop(RunningApp(app, client))


@pytest.fixture(scope="module")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """Return the browser of a module."""
    async with browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture
async def screen(redis_url: str, chromium: Browser) -> AsyncIterator[Screen]:
    """Return a browser that has not logged in."""
    await chromium.ask("Network.clearBrowserCookies")
    chromium.complaints.clear()
    async with bridge(redis_url) as desk:
        yield Screen(chromium, desk)
        assert not chromium.complaints
        await chromium.open("about:blank")


async def test_from_the_login_to_a_record_that_goes_on_before_ones_eyes(screen: Screen) -> None:
    desk = screen.desk
    event_id = await desk.send({"subject": "hello"})
    await screen.log_in("/events?status=queued")
    await screen.click(f"#{event_id}")
    await screen.shows("#standing .status", "queued")
    await desk.take()
    await screen.shows("#standing .status", "leased")
    await screen.shows(".timeline", "taken")
    await screen.click("#act-events-" + event_id + "-run-again")
    await screen.shows(".timeline", "runs again")


async def test_all_that_a_list_shows_is_acted_on_before_ones_eyes(
    screen: Screen, redis_url: str
) -> None:
    for number in range(3):
        await screen.desk.send(number)
    await screen.log_in("/events?status=queued")
    await screen.click("a[href*=bulk]")
    await screen.shows(".hint", "On all events with status queued")
    await screen.click("button.main")
    await screen.shows("#standing .status", "counted")
    await screen.chromium.run("document.querySelector('#count').value = 3")
    await screen.click("button.main")
    await screen.shows("#standing .status", "queued")
    async with working(Settings(redis_url=redis_url)):
        await screen.shows("#standing .status", "done")
    await screen.click("#standing dd a")
    await screen.shows("#rows", "3 shown")
    assert "expired" in await screen.text("#rows")


async def test_from_the_issuer_back_to_the_page_that_was_asked_for(
    chromium: Browser, redis_url: str
) -> None:
    await chromium.ask("Network.clearBrowserCookies")
    async with provider() as idp, bridge(redis_url, **idp.settings) as desk:
        screen, event_id = Screen(chromium, desk), await desk.send({})
        await chromium.open(f"{screen.console}/events/{event_id}")
        await screen.click("a.main")
        await screen.shows("h1", event_id)
        await screen.shows(".who", "operator ann@example.com")
        await desk.take()
        await screen.shows("#standing .status", "leased")
        await screen.click(".who button")
        await screen.shows("a.main", "Sign in with")
        await chromium.open(f"{screen.console}/events/{event_id}")
        await screen.shows("a.main", "Sign in with")


async def test_without_scripts_pages_are_as_they_were_when_they_were_opened(
    screen: Screen,
) -> None:
    desk, run = screen.desk, screen.chromium.run
    event_id = await desk.send({})
    await screen.chromium.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        await screen.log_in(f"/events/{event_id}")
        await screen.click(f"#act-events-{event_id}-run-again")
        await screen.shows(".timeline", "runs again")
        assert await run("typeof htmx") == "undefined"
    finally:
        await screen.chromium.ask("Emulation.setScriptExecutionDisabled", value=False)


async def test_a_dead_event_is_redriven_and_run_again_with_a_click_each(screen: Screen) -> None:
    desk = screen.desk
    await desk.send({"subject": "hello"})
    event_id = await desk.set_aside()
    await screen.log_in("/events?status=dead")
    await screen.click(f"#{event_id}")
    await screen.shows("#standing .status", "dead")
    await screen.click(f"#act-events-{event_id}-redrive")
    await screen.shows("#standing .status", "queued")
    await screen.shows(".timeline", "redriven")
    await screen.click(f"#act-events-{event_id}-run-again")
    await screen.shows(".timeline", "runs again")


async def test_a_hook_is_paused_and_resumed_with_a_click_each(screen: Screen) -> None:
    await screen.log_in("/servers")
    form = "td[data-label=Pause] form.pause"
    await screen.click(f"{form} button[value=pause]")
    await screen.shows("td[data-label=Pause] .status", "paused")
    await screen.chromium.open(f"{screen.console}")
    await screen.shows(".troubles", "is paused by operator")
    await screen.chromium.open(f"{screen.console}/servers")
    await screen.click(f"{form} button[value=resume]")
    await screen.shows(f"{form} summary", "Pause")


async def test_an_id_in_the_field_above_every_page_leads_to_its_record(screen: Screen) -> None:
    event_id = await screen.desk.send({})
    await screen.log_in("/calls")
    await screen.chromium.run(f"document.querySelector('.find input').value = '{event_id}'")
    await screen.chromium.run("document.querySelector('.find').requestSubmit()")
    await screen.shows("h1 code", event_id)


async def test_a_list_looks_on_by_itself_and_shows_each_row_once(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.console.listing.LOOK", SearchBudget(60, steps=1))
    desk, run = screen.desk, screen.chromium.run
    wanted = []
    for _ in range(3):
        wanted.append(await desk.send({"subject": "needle"}))
        await crowd(desk.door.runtime, LOOK_AT)
    await screen.log_in("/events?q=needle")
    await screen.shows("#events-more", "3 shown, newest first")
    assert await run("[...document.querySelectorAll('a.id')].map((row) => row.id).join()") == (
        ",".join(reversed(wanted))
    )
    assert await run("document.querySelector('#events-more [rel=next]')") is None
    assert await run("document.querySelector('#rows').dataset.live") is None


@pytest.mark.parametrize("width", [360, 720, 780, 1024, 1280])
async def test_no_window_is_too_narrow_for_the_widest_table(screen: Screen, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    await screen.chromium.ask("Emulation.setDeviceMetricsOverride", **size)
    await screen.log_in("/processes")
    assert await screen.chromium.run("document.documentElement.scrollWidth") <= width
    await screen.chromium.ask("Emulation.clearDeviceMetricsOverride")


async def test_a_list_takes_in_what_comes_and_says_it_where_somebody_reads(screen: Screen) -> None:
    desk, run = screen.desk, screen.chromium.run
    first = await desk.send({})
    await screen.log_in("/events")
    await run(f"document.querySelector('#{first}').focus()")
    second = await desk.send({})
    await screen.shows(f"#{second}")
    assert await run("document.activeElement.id") == first
    await run(f"getSelection().selectAllChildren(document.querySelector('#{first}'))")
    third = await desk.send({})
    await screen.shows(".news", "1 new")
    assert await run("getSelection().toString()") == first
    await run("document.querySelector('.news').click()")
    await screen.shows(f"#{third}")
    assert await run("document.querySelector('.news')") is None


async def test_a_form_that_is_being_filled_in_stays_as_it_is(screen: Screen) -> None:
    desk, run = screen.desk, screen.chromium.run
    event_id = await desk.send({"subject": "hello"})
    await screen.log_in(f"/events/{event_id}")
    await run("document.querySelector('#edited').closest('details').open = true")
    await run("document.querySelector('#edited').value = 'half of it'")
    await desk.take()
    await screen.shows("#standing .status", "leased")
    assert await run("document.querySelector('#edited').value") == "half of it"
    assert await run("document.querySelector('#edited').checkVisibility()")


async def test_rows_stay_where_they_are_under_somebody_who_has_scrolled(screen: Screen) -> None:
    desk, run = screen.desk, screen.chromium.run
    for number in range(50):
        await desk.send(number)
    await screen.log_in("/events")
    await run("scrollTo(0, document.body.scrollHeight)")
    seen, last = await run("scrollY"), await screen.text("tbody tr:last-child")
    await desk.send({})
    await screen.shows(".news", "1 new")
    assert (await run("scrollY"), await screen.text("tbody tr:last-child")) == (seen, last)


async def test_a_page_goes_on_with_another_process_and_ends_with_its_login(
    screen: Screen, redis_url: str
) -> None:
    port = free_port()
    async with bridge(redis_url, port) as first:
        await Screen(screen.chromium, first).log_in("/events")
    async with bridge(redis_url, port) as second:
        event_id = await second.send({})
        await screen.shows(f"#{event_id}")
    async with bridge(redis_url, port, operator_token=SecretStr("another-operator-token")):
        await screen.shows("#token")
    screen.chromium.complaints.clear()  # of servers that were away
