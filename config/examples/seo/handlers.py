"""The tools of the example seo."""

import asyncio
import os
from collections import defaultdict
from typing import Annotated

from pydantic import Field

from bridge.handlers import Context
from public_web.crawling import Crawl, Robots
from public_web.fetching import Answer, PublicWeb, named_private_hosts
from public_web.html import HtmlPage, read_html
from seo.checks import audit, words
from seo.links import broken_links
from seo.report import Finding, PageAudit, SiteAudit, SkippedAddress, score

CRAWLING_SHARE = 0.8

Url = Annotated[str, Field(description="An http or https address.")]


async def audit_page(url: Url) -> PageAudit:
    """Audit one page for search engines: a score, and what to mend; its links are tried too."""
    robots = Robots(PublicWeb(named_private_hosts()))
    answer = await robots.fetch(url)
    page = await asyncio.to_thread(read_html, answer)
    audited, links = await asyncio.to_thread(looked_at, page, answer)
    broken = await broken_links(robots, links)
    return with_findings(audited, link_findings(links, broken))


async def audit_site(
    ctx: Context,
    url: Annotated[str, Field(description="The page to start from, such as the home page.")],
    depth: Annotated[int, Field(ge=0, le=5, description="How many links away from it.")] = 2,
    pages_max: Annotated[int, Field(ge=1, le=200)] = 25,
) -> SiteAudit:
    """Audit the pages of a site, and compare them: a request at a time, so it takes minutes."""
    robots = Robots(PublicWeb(named_private_hosts()))
    delay_s = float(os.environ.get("SEO_DELAY_S", "0.5"))
    crawl = Crawl(robots, depth, pages_max, delay_s)
    pages: dict[str, PageAudit] = {}
    links: dict[str, list[str]] = {}
    skipped: list[SkippedAddress] = []
    async for visit in crawl.visits(url):
        if visit.page is None or visit.answer is None:
            skipped.append(SkippedAddress(url=visit.url, reason=visit.fault))
        else:
            audited, found = await asyncio.to_thread(looked_at, visit.page, visit.answer)
            pages[audited.url], links[audited.url] = audited, found
        done = f"{crawl.visited} of {crawl.known} pages"
        await ctx.progress(CRAWLING_SHARE * crawl.share, done)
    await ctx.progress(CRAWLING_SHARE, "trying the links")
    known = {link for found in links.values() for link in found} - pages.keys()
    broken = await broken_links(robots, sorted(known))
    more = duplicates(list(pages.values()))
    audits = [
        with_findings(page, [*link_findings(links[page.url], broken), *more[page.url]])
        for page in pages.values()
    ]
    audits.sort(key=lambda page: page.score)
    return SiteAudit(
        url=url,
        score=round(sum(page.score for page in audits) / len(audits)),
        pages=audits,
        skipped=skipped,
        is_complete=not crawl.waiting,
    )


def looked_at(page: HtmlPage, answer: Answer) -> tuple[PageAudit, list[str]]:
    """Return the audit of a page by itself, and where its links lead."""
    findings = audit(page, answer)
    audited = PageAudit(
        url=page.url,
        score=score(findings),
        title=page.title,
        description=page.meta("description"),
        words=words(page),
        findings=findings,
    )
    return audited, [link.url for link in page.links()]


def with_findings(page: PageAudit, more: list[Finding]) -> PageAudit:
    """Return an audit with more findings, and the score that they make."""
    findings = [*page.findings, *more]
    return page.model_copy(update={"findings": findings, "score": score(findings)})


def link_findings(links: list[str], broken: dict[str, str]) -> list[Finding]:
    """Return a finding for each broken link of a page."""
    return [
        Finding(check="links", severity="error", detail=f"a broken link: {broken[link]}")
        for link in links
        if link in broken
    ]


def duplicates(pages: list[PageAudit]) -> dict[str, list[Finding]]:
    """Return, for each page, a finding where others have its title or description."""
    found: dict[str, list[Finding]] = defaultdict(list)
    for what in ("title", "description"):
        sharing: dict[str, list[str]] = defaultdict(list)
        for page in pages:
            sharing[getattr(page, what)].append(page.url)
        for said, urls in sharing.items():
            for url in urls if said and len(urls) > 1 else []:
                others = ", ".join(other for other in urls if other != url)
                detail = f"the {what} is also that of {others[:500]}: give each page its own"
                found[url].append(Finding(check="duplicates", severity="warning", detail=detail))
    return found
