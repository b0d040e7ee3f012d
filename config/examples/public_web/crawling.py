"""One site from page to page, as its robots.txt lets, and no faster than it asks."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from protego import Protego

from bridge.handlers import Failure
from public_web.fetching import USER_AGENT, Answer, PublicWeb, request_to
from public_web.html import HtmlPage, read_html

ROBOTS_BYTES_MAX = 512_000
"""As much as a crawler must read at least (RFC 9309, 2.5)."""

DELAY_MAX_S = 10.0
CRAWL_S = 1500.0
"""After so long it ends with what it has: a little before the `timeout` of the server files."""

SEEN_MAX = 50_000
"""So many addresses of a site are kept in mind; a site can make up any number."""


@dataclass(frozen=True)
class Robots:
    """What the robots.txt of each host lets a crawler of this name do."""

    web: PublicWeb
    read: dict[str, Protego | Failure] = field(default_factory=dict)

    async def let(self, url: str) -> bool:
        """Report whether an address may be fetched."""
        return (await self._rules(url)).can_fetch(url, USER_AGENT)

    async def fetch(self, url: str) -> Answer:
        """Fetch an address that must be there, where that is let, also by where it leads.

        Raises:
            Failure: it is not let, or cannot be had.
        """
        await self._check(url)
        answer = await self.web.get_existing(url)
        await self._check(answer.url)
        return answer

    async def delay_s(self, url: str) -> float:
        """Return the pause that the host asks for between two requests, ten seconds at most."""
        return min((await self._rules(url)).crawl_delay(USER_AGENT) or 0.0, DELAY_MAX_S)

    async def _check(self, url: str) -> None:
        if not await self.let(url):
            raise Failure(f"{url} is closed to crawlers by its robots.txt: ask its owner")

    async def _rules(self, url: str) -> Protego:
        request_to(url)
        host = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        if host not in self.read:
            try:
                self.read[host] = Protego.parse(await self._text(f"{host}/robots.txt"))
            except Failure as failure:
                self.read[host] = failure
        rules = self.read[host]
        if isinstance(rules, Failure):
            raise Failure(str(rules))
        return rules

    async def _text(self, url: str) -> str:
        """Return the rules; none is a host without rules, and one in trouble lets nothing.

        Source: RFC 9309, 2.3.1.
        """
        answer = await self.web.get(url)
        if 200 <= answer.status < 300:
            return answer.body[:ROBOTS_BYTES_MAX].decode("utf-8", "replace")
        return "" if 400 <= answer.status < 500 else "User-agent: *\nDisallow: /"


@dataclass(frozen=True)
class Visit:
    """One address of a crawl: what it answered and the page, or `fault`, why there is none."""

    url: str
    depth: int
    answer: Answer | None = None
    page: HtmlPage | None = None
    fault: str = ""


@dataclass
class Crawl:
    """A walk through one site: breadth first, each address once, `pages_max` of them at most.

    `share` is how much of what it knows it has visited; it never falls, though more turns up.
    """

    robots: Robots
    depth_max: int
    pages_max: int
    delay_s: float
    time_s: float = CRAWL_S
    site: str = ""
    seen: set[str] = field(default_factory=set)
    waiting: deque[tuple[str, int]] = field(default_factory=deque)
    visited: int = 0
    share: float = 0.0

    @property
    def known(self) -> int:
        """Return of how many pages it knows so far that they will be visited."""
        return min(self.visited + len(self.waiting), self.pages_max)

    async def visits(self, start: str) -> AsyncIterator[Visit]:
        """Visit the pages, from the first one on; where that redirects to is the site.

        Raises:
            Failure: the first page cannot be had.
        """
        now = asyncio.get_running_loop().time
        until = now() + self.time_s
        first = await self._visit(start, 0)
        if first.answer is None or first.page is None:
            raise Failure(first.fault)
        self.site = urlsplit(first.answer.url).netloc
        self.seen |= {start, first.answer.url}
        await self._follow(first)
        yield first
        delay_s = max(self.delay_s, await self.robots.delay_s(first.answer.url))
        while self.waiting and self.visited < self.pages_max and now() < until:
            await asyncio.sleep(delay_s)
            visit = await self._visit(*self.waiting.popleft())
            led_to = visit.answer.url if visit.answer else visit.url
            if led_to == visit.url or self._is_new(led_to):
                await self._follow(visit)
                yield visit

    async def _visit(self, url: str, depth: int) -> Visit:
        self.visited += 1
        answer = None
        try:
            answer = await self.robots.fetch(url)
            page = await asyncio.to_thread(read_html, answer)
        except Failure as failure:
            return Visit(url, depth, answer, fault=str(failure))
        return Visit(url, depth, answer, page)

    async def _follow(self, visit: Visit) -> None:
        """Line up where the links of a page lead."""
        if visit.page and visit.depth < self.depth_max:
            links = await asyncio.to_thread(visit.page.links)
            found = [link.url for link in links if self._is_new(link.url)]
            self.waiting += [(url, visit.depth + 1) for url in found]
        self.share = max(self.share, self.visited / self.known)

    def _is_new(self, url: str) -> bool:
        if url in self.seen or urlsplit(url).netloc != self.site or len(self.seen) >= SEEN_MAX:
            return False
        self.seen.add(url)
        return True
