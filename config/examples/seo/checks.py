"""What is looked for in one page; each check returns what it found, none is about another page."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from urllib.parse import urlsplit

from public_web.fetching import Answer
from public_web.html import HtmlPage
from seo.report import Check, Finding, Severity

TITLE_CHARS = range(10, 61)
DESCRIPTION_CHARS = range(50, 161)
WORDS_MIN = 100
LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|\d{3}))?", re.IGNORECASE)
EXAMPLES_MAX = 5

Findings = Iterator[tuple[Severity, str]]


def audit(page: HtmlPage, answer: Answer) -> list[Finding]:
    """Return all that is wrong with a page by itself."""
    return [
        Finding(check=check, severity=severity, detail=detail)
        for check, look in CHECKS.items()
        for severity, detail in look(page, answer)
    ]


def title(page: HtmlPage, _answer: Answer) -> Findings:
    """Look for a title that a result can be shown by."""
    if not page.title:
        yield "error", "the page has no title: add one to its head"
    elif len(page.title) not in TITLE_CHARS:
        yield "warning", f"the title has {len(page.title)} characters: take 10 to 60"
    if len(page.root.findall("head/title")) > 1:
        yield "warning", "the page has several titles: keep one"


def description(page: HtmlPage, _answer: Answer) -> Findings:
    """Look for the text that results show below the title."""
    said = page.meta("description")
    if not said:
        yield "warning", "the page has no description: add a meta of that name"
    elif len(said) not in DESCRIPTION_CHARS:
        yield "notice", f"the description has {len(said)} characters: take 50 to 160"


def headings(page: HtmlPage, _answer: Answer) -> Findings:
    """Look for an outline: one h1, and no level left out."""
    levels = [heading.level for heading in page.headings()]
    if levels.count(1) != 1:
        yield "warning", f"the page has {levels.count(1)} h1 headings: take one"
    for before, after in pairwise(levels):
        if after > before + 1:
            yield "notice", f"an h{after} follows an h{before}: leave no level out"
            return


def canonical(page: HtmlPage, _answer: Answer) -> Findings:
    """Look for the one address that the page is to be found at."""
    links = [node for node in page.root.iter("link") if "canonical" in _words(node.get("rel"))]
    hrefs = {node.get("href", "") for node in links}
    urls = {page.absolute(href) if href else "" for href in hrefs}
    if not urls:
        yield "notice", "the page names no canonical address: add one"
    elif len(urls) > 1:
        yield "error", f"the page names several canonical addresses: keep one of {_some(urls)}"
    elif "" in urls:
        yield "error", f"the canonical address {_some(hrefs)} is none: write it whole"
    elif urls != {page.url}:
        yield "notice", f"search engines will show {_some(urls)} in place of this page"


def hreflang(page: HtmlPage, _answer: Answer) -> Findings:
    """Look for versions in other languages: sound codes, and the page itself among them."""
    links = [node for node in page.root.iter("link") if node.get("hreflang") is not None]
    codes = [node.get("hreflang", "") for node in links]
    wrong = {code for code in codes if code != "x-default" and not LANGUAGE.fullmatch(code)}
    if wrong:
        yield "error", f"hreflang {_some(wrong)} is no language: write en, or en-GB"
    if len(codes) > len(set(codes)):
        yield "error", "two links have the same hreflang: keep one for each language"
    if links and page.url not in {page.absolute(node.get("href", "")) for node in links}:
        yield "warning", "the links with hreflang leave out the page itself: add it"
    if links and "x-default" not in codes:
        yield "notice", "no link has the hreflang x-default, for all other languages"


def indexing(page: HtmlPage, answer: Answer) -> Findings:
    """Look for orders to search engines that keep the page out of their results."""
    orders = f"{page.meta('robots')},{answer.headers.get('x-robots-tag', '')}".lower()
    words = {word.strip() for word in re.split(r"[,:]", orders)}
    if words & {"noindex", "none"}:
        yield "error", "search engines are told noindex: take it out if the page shall be found"
    if words & {"nofollow", "none"}:
        yield "warning", "search engines are told nofollow: they will not see where links lead"


def images(page: HtmlPage, _answer: Answer) -> Findings:
    """Look for images that say nothing to who cannot see them; an empty alt says decoration."""
    found = [node.get("src", "") for node in page.root.iter("img") if node.get("alt") is None]
    if found:
        yield "warning", f"{len(found)} images have no alt: add it to {_some(set(found))}"


def structured_data(page: HtmlPage, _answer: Answer) -> Findings:
    """Look for JSON-LD that can be read, and says of what type it is."""
    values, faults = page.structured_data()
    for fault in faults:
        yield "error", fault
    if not values and not faults:
        yield "notice", "the page has no structured data: add JSON-LD where a type of it fits"
    items = [item for value in values for item in (value if isinstance(value, list) else [value])]
    if any(not isinstance(item, dict) or not {"@type", "@graph"} & item.keys() for item in items):
        yield "error", "a block of the JSON-LD has no @type: name one of schema.org's"


def language(page: HtmlPage, _answer: Answer) -> Findings:
    """Look for the page's language, and for its text in the charset that it names."""
    code = page.root.get("lang", "")
    if not code:
        yield "warning", "the page does not say its language: add lang to its html element"
    elif not LANGUAGE.fullmatch(code):
        yield "warning", f"{code!r} is no language: write en, or en-GB"
    if not page.meta("viewport"):
        yield "notice", "the page has no viewport, so phones show it small: add that meta"
    for note in page.notes:
        yield "warning", note


def address(page: HtmlPage, _answer: Answer) -> Findings:
    """Look for an address that is safe and short."""
    parts = urlsplit(page.url)
    if parts.scheme != "https":
        yield "warning", "the page is served without encryption: serve it over https"
    if parts.path != parts.path.lower() or "_" in parts.path:
        yield "notice", "the address has capitals or underscores: take hyphens"


def text(page: HtmlPage, _answer: Answer) -> Findings:
    """Look for something to find the page by."""
    if (count := words(page)) < WORDS_MIN:
        yield "notice", f"the page has {count} words: below {WORDS_MIN} it is rarely found"


def words(page: HtmlPage) -> int:
    """Return how many words people read."""
    return len(page.text().split())


CHECKS: dict[Check, Callable[[HtmlPage, Answer], Findings]] = {
    "title": title,
    "description": description,
    "headings": headings,
    "canonical": canonical,
    "hreflang": hreflang,
    "indexing": indexing,
    "images": images,
    "structured_data": structured_data,
    "language": language,
    "address": address,
    "text": text,
}


def _words(attribute: str | None) -> list[str]:
    return (attribute or "").lower().split()


def _some(texts: set[str]) -> str:
    shown = ", ".join(repr(each[:100]) for each in sorted(texts)[:EXAMPLES_MAX])
    return shown + (" and others" if len(texts) > EXAMPLES_MAX else "")
