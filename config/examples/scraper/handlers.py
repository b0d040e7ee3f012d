"""The tools of the example scraper."""

import asyncio
import os
from collections.abc import Iterator
from itertools import islice
from typing import Annotated

from lxml.html import HtmlElement
from pydantic import BaseModel, Field, JsonValue

from bridge.handlers import Context, Failure
from public_web.crawling import Crawl, Robots, Visit
from public_web.fetching import PublicWeb, named_private_hosts
from public_web.html import LINKS_MAX, Heading, HtmlPage, Link, read_html, squeezed, text_of

TEXT_CHARS_MAX = 100_000
SUMMARY_CHARS = 300
TABLES_MAX, ROWS_MAX, COLUMNS_MAX = 20, 200, 50

Url = Annotated[str, Field(description="An http or https address.")]


class PageTable(BaseModel):
    """A table of a page; a cell that spans others is followed by empty ones."""

    caption: str
    rows: list[list[str]]


class ScrapedPage(BaseModel):
    """What a page holds; `notes` tell what was mended or cut."""

    url: str = Field(description="Where it was in the end, after redirects.")
    title: str
    description: str
    language: str
    headings: list[Heading]
    text: str
    links: list[Link]
    tables: list[PageTable]
    structured_data: list[JsonValue] = Field(description="JSON-LD, as the page has it.")
    notes: list[str]


class CrawledPage(BaseModel):
    """A page of a crawl, in short: scrape_page has the rest."""

    url: str
    depth: int
    title: str
    begins: str


class SkippedPage(BaseModel):
    """An address of a crawl that gave no page, and why."""

    url: str
    reason: str


class CrawledSite(BaseModel):
    """The pages of a site, in the order in which they were found."""

    pages: list[CrawledPage]
    skipped: list[SkippedPage]
    is_complete: bool = Field(description="Whether none was left out for pages_max, or for time.")


async def scrape_page(url: Url) -> ScrapedPage:
    """Fetch a page and return its text, links, tables and structured data. Honours robots.txt."""
    answer = await Robots(PublicWeb(named_private_hosts())).fetch(url)
    return await asyncio.to_thread(lambda: scraped(read_html(answer)))


async def crawl_site(
    ctx: Context,
    url: Url,
    depth: Annotated[int, Field(ge=0, le=5, description="How many links away from it.")] = 2,
    pages_max: Annotated[int, Field(ge=1, le=500)] = 50,
) -> CrawledSite:
    """List the pages of one site, from one page on, a request at a time; takes minutes.

    Honours robots.txt and its crawl delay.
    """
    delay_s = float(os.environ.get("SCRAPER_DELAY_S", "0.5"))
    crawl = Crawl(Robots(PublicWeb(named_private_hosts())), depth, pages_max, delay_s)
    pages: list[CrawledPage] = []
    skipped: list[SkippedPage] = []
    async for visit in crawl.visits(url):
        if visit.page is None:
            skipped.append(SkippedPage(url=visit.url, reason=visit.fault))
        else:
            pages.append(await asyncio.to_thread(summary, visit, visit.page))
        await ctx.progress(crawl.share, f"{crawl.visited} of {crawl.known}")
    return CrawledSite(pages=pages, skipped=skipped, is_complete=not crawl.waiting)


def summary(visit: Visit, page: HtmlPage) -> CrawledPage:
    """Return what a crawl tells of a page."""
    begins = page.text()[:SUMMARY_CHARS]
    return CrawledPage(url=page.url, depth=visit.depth, title=page.title, begins=begins)


def scraped(page: HtmlPage) -> ScrapedPage:
    """Return what a page holds.

    Raises:
        Failure: it holds nothing.
    """
    text, links = page.text(), page.links()
    structured_data, faults = page.structured_data()
    if not (text or links or structured_data):
        raise Failure(f"{page.url} shows nothing without a browser: nothing in it can be read")
    notes = [*page.notes, *faults]
    if len(text) > TEXT_CHARS_MAX or len(links) == LINKS_MAX:
        notes.append(f"cut after {TEXT_CHARS_MAX} characters and {LINKS_MAX} links")
    return ScrapedPage(
        url=page.url,
        title=page.title,
        description=page.meta("description"),
        language=page.root.get("lang", ""),
        headings=page.headings(),
        text=text[:TEXT_CHARS_MAX],
        links=links,
        tables=list(islice((table for table in tables(page.root) if table.rows), TABLES_MAX)),
        structured_data=structured_data,
        notes=notes,
    )


def tables(root: HtmlElement) -> Iterator[PageTable]:
    """Return the tables that have no other within."""
    for node in root.iter("table"):
        if node.find(".//table") is None:
            caption = node.find("caption")
            rows = [cells(row) for row in list(node.iter("tr"))[:ROWS_MAX]]
            told = "" if caption is None else text_of(caption)
            yield PageTable(caption=told, rows=[row for row in rows if any(row)])


def cells(row: HtmlElement) -> list[str]:
    """Return the texts of a row's cells."""
    texts: list[str] = []
    for cell in row.iterchildren("td", "th"):
        span = squeezed(cell.get("colspan", ""))
        texts.append(text_of(cell))
        texts += [""] * (min(int(span[:3]), COLUMNS_MAX) - 1 if span.isdecimal() else 0)
    return texts[:COLUMNS_MAX]
