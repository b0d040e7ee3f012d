"""HTML pages, read about as browsers read them: any bytes make a tree, however broken they are.

lxml (BSD) is taken for it stops at 256 levels: parsers that follow HTML's own rules to the letter
take time in the square of the depth, minutes for a megabyte of `<div>`.
"""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Annotated
from urllib.parse import urldefrag, urljoin, urlsplit

from lxml import etree
from lxml.etree import ParserError
from lxml.html import HtmlElement, HTMLParser, document_fromstring
from pydantic import BaseModel, Field, JsonValue

from bridge.handlers import Failure
from public_web.fetching import URL_CHARS_MAX, Answer

HTML_TYPES = {"text/html", "application/xhtml+xml"}
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)", re.IGNORECASE)
CHARSET_WITHIN_BYTES = 1024
LATIN = {"iso8859-1": "cp1252", "ascii": "cp1252"}
"""Browsers read windows-1252 under these names (WHATWG, Encoding)."""

NOT_OF_THE_WEB = {"idna", "punycode", "raw_unicode_escape", "unicode_escape", "utf-7", "undefined"}

HIDDEN = ("script", "style", "template", "noscript", "svg", "iframe", "head")
AROUND = ("nav", "header", "footer", "aside", "form")
BLOCKS = {
    *("address", "article", "blockquote", "body", "br", "dd", "div", "dl", "dt", "figcaption"),
    *("figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "main", "ol", "p", "pre"),
    *("section", "table", "tr", "ul"),
}
CELLS = ("td", "th")
HEADING = re.compile(r"h[1-6]")
JSON_DEPTH_MAX = 50
ELEMENT_CHARS_MAX = 1000
ELEMENT_STEPS_MAX = 1000
LINKS_MAX = HEADINGS_MAX = 2000
"""Elements lie in each other, and a `base` is part of each link: little may be much, again."""

ATTRIBUTES_MAX = 2000
TOO_MANY_ATTRIBUTES = re.compile(
    r"<[a-z][^\s/>]*+"
    r"(?>[\s/]*+=?[^\s/>=]++(?:\s*+=\s*+(?>\"[^\"]*+\"|'[^']*+'|[^\s>]*+))?+)"
    rf"{{0,{ATTRIBUTES_MAX}}}+(?P<more>[\s/]*+[^\s/>])?",
    re.IGNORECASE,
)
"""A start tag, as browsers cut it into attributes: the parser takes time in the square of them."""

TOO_DEEP = "ERR_RESOURCE_LIMIT"


class Link(BaseModel):
    """A link of a page, as an address to fetch."""

    url: str
    text: str


class Heading(BaseModel):
    """A heading of a page."""

    level: Annotated[int, Field(ge=1, le=6)]
    text: str


@dataclass(frozen=True)
class HtmlPage:
    """A page as a tree; `notes` are what its reader should know of how it was read."""

    url: str
    root: HtmlElement
    notes: list[str] = field(default_factory=list)

    def meta(self, name: str) -> str:
        """Return the content of a `meta`, by its name or property."""
        for node in self.root.iter("meta"):
            if (node.get("name") or node.get("property") or "").lower() == name:
                return squeezed(node.get("content", ""))[:ELEMENT_CHARS_MAX]
        return ""

    @property
    def title(self) -> str:
        """Return its title, empty where it has none."""
        return next((text_of(node) for node in self.root.iter("title")), "")

    def headings(self) -> list[Heading]:
        """Return its headings in their order, at most two thousand."""
        found = islice(self.root.iter("h1", "h2", "h3", "h4", "h5", "h6"), HEADINGS_MAX)
        return [Heading(level=int(str(node.tag)[1]), text=text_of(node)) for node in found]

    @cached_property
    def base(self) -> str:
        """Return the address that its references start from."""
        href = next((node.get("href", "") for node in self.root.iter("base")), "")
        return joined(self.url, href) or self.url

    def absolute(self, href: str) -> str:
        """Return the address that a reference leads to; empty for one that is not of the web."""
        return joined(self.base, href)

    def links(self) -> list[Link]:
        """Return the addresses of the web that it links to, each once, at most two thousand."""
        found: dict[str, Link] = {}
        for node in self.root.iter("a"):
            if len(found) == LINKS_MAX:
                break
            href = node.get("href")
            url = self.absolute(href) if href is not None else ""
            if url and url not in found:
                found[url] = Link(url=url, text=text_of(node))
        return list(found.values())

    def structured_data(self) -> tuple[list[JsonValue], list[str]]:
        """Return the JSON-LD of the page, and a fault for each block that is no JSON."""
        values: list[JsonValue] = []
        faults = []
        blocks = [n for n in self.root.iter("script") if n.get("type") == "application/ld+json"]
        for number, node in enumerate(blocks, start=1):
            try:
                value = _shallow(json.loads(node.text or "", parse_constant=_no_number))
                json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
                values.append(value)
            except (ValueError, RecursionError) as error:
                faults.append(f"block {number} of the JSON-LD cannot be read: {error}")
        return values, faults

    def text(self) -> str:
        """Return what people read: of the main part where the page marks one, a block a line."""
        main = next(self.root.iter("main"), None)
        if main is None:
            main = next(self.root.iter("article"), None)
        left_out = HIDDEN if main is not None else HIDDEN + AROUND
        return "\n".join(_lines(self.root if main is None else main, frozenset(left_out)))


def read_html(answer: Answer) -> HtmlPage:
    """Parse what an address answered.

    Raises:
        Failure: it is no HTML, is empty, its charset is none that is known, or an element of it
            has more attributes than any page needs.
    """
    if answer.content_type not in HTML_TYPES:
        kind = answer.content_type or "of no kind that it names"
        raise Failure(f"{answer.url} is {kind}, and no HTML page: give the address of one")
    text, notes = decode(answer)
    if any(tag["more"] for tag in TOO_MANY_ATTRIBUTES.finditer(text)):
        why = f"an element of {answer.url} has more than {ATTRIBUTES_MAX} attributes"
        raise Failure(f"{why}: its owner has to mend that")
    parser = HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except ParserError as error:
        raise Failure(
            f"{answer.url} is an empty page: it may need a browser, or a login"
        ) from error
    if any(entry.type_name == TOO_DEEP for entry in parser.error_log):
        notes.append("the page is nested deeper than any browser goes: its end was left out")
    return HtmlPage(answer.url, root, notes)


def decode(answer: Answer) -> tuple[str, list[str]]:
    """Return the text of a page, and a note where it is not in the charset that it names.

    Raises:
        Failure: the charset that it names is unknown.
    """
    for mark, charset in MARKS.items():
        if answer.body.startswith(mark):
            return answer.body[len(mark) :].decode(charset, "replace"), []
    start = answer.body[:CHARSET_WITHIN_BYTES].decode("latin-1")
    named = CHARSET.search(answer.headers.get("content-type", "")) or CHARSET.search(start)
    name = _charset(named[1] if named else "utf-8")
    if not name:
        assert named
        why = f"{answer.url} says that its charset is {named[1][:50]!r}, which is none of the web"
        raise Failure(f"{why}: its owner has to mend that")
    try:
        return answer.body.decode(name), []
    except UnicodeDecodeError as error:
        read_as = "cp1252" if name == "utf-8" else name
        note = f"the page is not in {name}, as it says, at byte {error.start}: read as {read_as}"
        return answer.body.decode(read_as, "replace"), [note]


def squeezed(text: str) -> str:
    """Return a text with single spaces, and none around it."""
    return " ".join(text.split())


def text_of(node: HtmlElement) -> str:
    """Return the text within an element, on one line: its start, where it is long."""
    pieces, chars = [], 0
    for piece, _ in islice(_pieces(node, frozenset()), ELEMENT_STEPS_MAX):
        pieces.append(piece)
        chars += len(piece)
        if chars > ELEMENT_CHARS_MAX:
            break
    return squeezed("".join(pieces)[:ELEMENT_CHARS_MAX])


def joined(base: str, href: str) -> str:
    """Return the address of the web that a reference leads to, without its fragment; else empty."""
    if len(base) + len(href) > URL_CHARS_MAX:
        return ""
    try:
        url = urldefrag(urljoin(base, href.strip())).url
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def _charset(label: str) -> str:
    """Return Python's name of a charset that pages may be in; empty for any other."""
    try:
        name = codecs.lookup(label).name
        "".encode(name)
    except (LookupError, ValueError):
        return ""
    return "" if name in NOT_OF_THE_WEB else LATIN.get(name, name)


def _no_number(name: str) -> JsonValue:
    raise ValueError(f"{name} is no number of JSON")


def _shallow(value: JsonValue) -> JsonValue:
    """Return a value, unless its members are so deep in each other that few can read it."""
    level: list[JsonValue] = [value]
    for _ in range(JSON_DEPTH_MAX):
        level = [
            member
            for each in level
            if isinstance(each, dict | list)
            for member in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return value
    raise ValueError(f"it is nested deeper than {JSON_DEPTH_MAX}")


def _lines(root: HtmlElement, left_out: frozenset[str]) -> Iterator[str]:
    """Return the blocks of an element as lines, headings and items marked as in Markdown."""
    mark, words = "", list[str]()
    for text, tag in _pieces(root, left_out):
        words.append(text)
        if tag is None:
            continue
        if line := squeezed("".join(words)):
            yield mark + line
            mark = ""
        words.clear()
        if HEADING.fullmatch(tag):
            mark = "#" * int(tag[1]) + " "
        elif tag:
            mark = "- " if tag == "li" else mark if mark == "- " else ""


def _pieces(root: HtmlElement, left_out: frozenset[str]) -> Iterator[tuple[str, str | None]]:
    """Return the text in its order; with it the tag of the block that begins, "" where one ends."""
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, node in walk:
        tag = str(node.tag)
        if event == "start" and tag in left_out:
            walk.skip_subtree()
        elif event == "start":
            yield "", tag if tag in BLOCKS else None
            yield node.text or "", None
        if event == "end":
            yield " " if tag in CELLS else "", "" if tag in BLOCKS else None
            if node is not root:
                yield node.tail or "", None
