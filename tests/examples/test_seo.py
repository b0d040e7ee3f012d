"""The example seo: what is wrong with a page, and what only several pages show."""

import asyncio

import pytest
from pydantic import TypeAdapter

from bridge.handlers import Failure
from public_web.crawling import Robots
from public_web.fetching import PublicWeb
from seo.handlers import audit_page, audit_site
from seo.links import broken_links
from seo.report import SiteAudit
from tests.examples.conftest import KeptContext, Site

WORDS = "Ships are loaded and unloaded by day and night. " * 15
HEAD = """<!doctype html><html lang="en"><head><title>{title}</title>
<meta name="viewport" content="width=device-width">
<meta name="description" content="{title}: which berths are free today, and what they cost.">
<link rel="canonical" href="{url}">
<link rel="alternate" hreflang="en" href="{url}">
<link rel="alternate" hreflang="x-default" href="{url}">
<script type="application/ld+json">{{"@type": "WebPage"}}</script></head>"""


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEO_DELAY_S", "0")


def sound(site: Site, path: str, title: str = "Free berths today", more: str = "") -> str:
    """Put a page that has no fault but to be without encryption."""
    head = HEAD.format(title=title, url=site.url + path)
    return site.put(path, f"{head}<body><main><h1>{title}</h1><p>{WORDS}</p>{more}</main></body>")


async def findings(url: str) -> set[tuple[str, str]]:
    audit = await audit_page(url)
    return {(finding.check, finding.severity) for finding in audit.findings}


async def test_a_sound_page_loses_nothing_but_for_want_of_encryption(site: Site) -> None:
    audit = await audit_page(sound(site, "/berths"))
    assert [(found.check, found.severity) for found in audit.findings] == [("address", "warning")]
    assert (audit.score, audit.title) == (95, "Free berths today")
    assert audit.words > 100


@pytest.mark.parametrize(
    ("old", "new", "check", "severity"),
    [
        ("<title>Free berths today</title>", "", "title", "error"),
        ("<title>Free berths today<", "<title>Berths<", "title", "warning"),
        ("</head>", "<title>Another title</title></head>", "title", "warning"),
        ('name="description"', 'name="keywords"', "description", "warning"),
        ("which berths are free today, and what they cost.", "", "description", "notice"),
        ("<h1>", "<h2>", "headings", "warning"),
        ("<p>Ships", "<h3>Loading</h3><p>Ships", "headings", "notice"),
        ('rel="canonical"', 'rel="next"', "canonical", "notice"),
        ("</head>", '<link rel="canonical" href="/other"></head>', "canonical", "error"),
        ('hreflang="en"', 'hreflang="english"', "hreflang", "error"),
        ("</head>", '<link hreflang="en" href="/e"></head>', "hreflang", "error"),
        ('hreflang="x-default"', 'hreflang="de"', "hreflang", "notice"),
        ("</head>", '<meta name="robots" content="noindex, follow"></head>', "indexing", "error"),
        ("</head>", '<meta name="ROBOTS" content="nofollow"></head>', "indexing", "warning"),
        ("<p>Ships", "<p><img src=a.png>Ships", "images", "warning"),
        ('{"@type": "WebPage"}', "{", "structured_data", "error"),
        ('{"@type": "WebPage"}', "{}", "structured_data", "error"),
        ('<script type="application/ld+json">', "<script>", "structured_data", "notice"),
        (' lang="en"', "", "language", "warning"),
        (' lang="en"', ' lang="English!"', "language", "warning"),
        ('name="viewport"', 'name="view"', "language", "notice"),
        (WORDS, "Closed.", "text", "notice"),
        ("<p>Ships", "<p><a href=/gone>gone</a> Ships", "links", "error"),
    ],
)
async def test_each_thing_that_is_wrong_is_found(
    site: Site, old: str, new: str, check: str, severity: str
) -> None:
    url = sound(site, "/berths")
    text = site.pages["/berths"][2].decode()
    assert old in text
    site.put("/berths", text.replace(old, new, 1))
    assert await findings(url) - {("address", "warning")} == {(check, severity)}


async def test_an_image_that_is_decoration_may_have_an_empty_alt(site: Site) -> None:
    url = sound(site, "/berths", more='<img src="line.png" alt="">')
    assert await findings(url) == {("address", "warning")}


async def test_an_order_in_the_header_counts_as_one_in_the_page(site: Site) -> None:
    url = sound(site, "/berths")
    site.put("/berths", site.pages["/berths"][2], x_robots_tag="googlebot: noindex")
    assert ("indexing", "error") in await findings(url)


async def test_links_are_broken_when_they_are_gone_failing_or_nowhere(site: Site) -> None:
    site.put("/down", status=503)
    site.put("/login", status=401)
    site.put("/no-head", status=405)
    paths = ["/down", "/login", "/gone", "/no-head", "http://nowhere.invalid/"]
    more = " ".join(f'<a href="{path}">to</a>' for path in paths)
    audit = await audit_page(sound(site, "/berths", more=more))
    broken = [found.detail for found in audit.findings if found.check == "links"]
    assert broken == [
        f"a broken link: {site.url}/down answers 503",
        f"a broken link: {site.url}/gone answers 404",
        "a broken link: the host nowhere.invalid is not known: check the address",
    ]
    assert "GET /no-head" in site.asked
    assert "GET /login" not in site.asked


async def test_a_host_that_cannot_be_reached_is_asked_once_for_all_its_links(site: Site) -> None:
    asked = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1") as server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        robots = Robots(PublicWeb(frozenset({host})))
        urls = [f"http://{host}/{number}" for number in range(20)]
        with pytest.raises(Failure, match="cannot be reached"):
            await robots.let(urls[0])
        broken = await broken_links(robots, urls)
    assert broken.keys() == set(urls)
    assert all("cannot be reached" in why for why in broken.values())
    assert [line.split()[1] for line in asked] == [b"/robots.txt"]


async def test_a_site_is_told_its_worst_page_first_and_what_pages_share(
    site: Site, ctx: KeptContext
) -> None:
    links = '<a href="/a">a</a> <a href="/b">b</a> <a href="/x">x</a>'
    home = sound(site, "/", "The harbour", links)
    sound(site, "/a")
    sound(site, "/b", more="<img src=ship.png>")
    audit = await audit_site(ctx, home)
    assert [page.url.removeprefix(site.url) for page in audit.pages] == ["/", "/b", "/a"]
    assert [page.score for page in audit.pages] == [80, 80, 85]
    assert audit.score == 82
    shared = [found.detail for found in audit.pages[2].findings if found.check == "duplicates"]
    assert shared == [
        f"the title is also that of {site.url}/b: give each page its own",
        f"the description is also that of {site.url}/b: give each page its own",
    ]
    assert [skip.url for skip in audit.skipped] == [f"{site.url}/x"]
    assert audit.is_complete
    assert [share for share, _ in ctx.reported] == sorted(share for share, _ in ctx.reported)


async def test_a_page_that_crawlers_may_not_have_cannot_be_audited(site: Site) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /\n")
    with pytest.raises(Failure, match=r"closed to crawlers by its robots\.txt"):
        await audit_page(sound(site, "/berths"))


def test_a_report_may_hold_nothing_but_what_its_schema_names() -> None:
    schema = TypeAdapter(SiteAudit).json_schema(mode="serialization")
    parts = [schema, *schema["$defs"].values()]
    assert all(part["additionalProperties"] is False for part in parts if "properties" in part)
    assert all(part["required"] == list(part["properties"]) for part in parts)
