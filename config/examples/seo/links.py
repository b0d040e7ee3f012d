"""Which links lead nowhere."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from bridge.handlers import Failure
from public_web.crawling import Robots

AT_ONCE = 5
LINKS_MAX = 100
LINK_S = 10.0
NO_HEAD = {405, 501}
BROKEN = {404, 410, *range(500, 600)}


async def broken_links(robots: Robots, urls: Iterable[str]) -> dict[str, str]:
    """Return those that cannot be had, of the first hundred, each with the reason."""
    quick = Robots(replace(robots.web, timeout_s=LINK_S), robots.read)
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(url: str) -> tuple[str, str]:
        async with turns:
            return url, await _fault(quick, url)

    unique = list(dict.fromkeys(urls))[:LINKS_MAX]
    return {url: fault for url, fault in await asyncio.gather(*map(look, unique)) if fault}


async def _fault(robots: Robots, url: str) -> str:
    """Return why an address cannot be had; what robots.txt closes is not asked for."""
    try:
        if not await robots.let(url):
            return ""
        answer = await robots.web.get(url, "HEAD")
        if answer.status in NO_HEAD:
            answer = await robots.web.get(url)
    except Failure as failure:
        return str(failure)
    return f"{url} answers {answer.status}" if answer.status in BROKEN else ""
