"""The example scraper: pages as they are, and sites as their robots.txt lets."""

import pytest

from bridge.handlers import Failure
from public_web.crawling import Crawl, Robots
from scraper.handlers import crawl_site, scrape_page
from tests.examples.conftest import KeptContext, Site

PAGE = """<!doctype html><html lang="en"><head><title>Berths</title>
<meta name="description" content="Where ships lie.">
<script type="application/ld+json">{"@type": "Place"}</script></head>
<body><nav><a href="/">home</a></nav><main><h1>Berths</h1><p>Two are free.</p>
<table><caption>Today</caption>
<tr><th>Berth<th>Ship<tr><td>1<td>Anna<tr><td colspan=2>closed</table>
<p><a href="berth/1#now">first</a> <a href="mailto:x@y.test">mail</a></p></main></body></html>"""


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRAPER_DELAY_S", "0")


async def test_a_page_is_told_with_its_text_links_tables_and_structured_data(site: Site) -> None:
    url = site.put("/berths", PAGE)
    page = await scrape_page(url)
    assert page.model_dump() == {
        "url": url,
        "title": "Berths",
        "description": "Where ships lie.",
        "language": "en",
        "headings": [{"level": 1, "text": "Berths"}],
        "text": "# Berths\nTwo are free.\nToday\nBerth Ship\n1 Anna\nclosed\nfirst mail",
        "links": [
            {"url": f"{site.url}/", "text": "home"},
            {"url": f"{site.url}/berth/1", "text": "first"},
        ],
        "tables": [
            {"caption": "Today", "rows": [["Berth", "Ship"], ["1", "Anna"], ["closed", ""]]}
        ],
        "structured_data": [{"@type": "Place"}],
        "notes": [],
    }


async def test_what_robots_txt_closes_is_not_fetched(site: Site) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /private*\nAllow: /private/open$\n")
    open_page = site.put("/private/open", PAGE)
    closed = site.put("/private/open-too", PAGE)
    assert (await scrape_page(open_page)).title == "Berths"
    with pytest.raises(Failure, match=r"closed to crawlers by its robots\.txt"):
        await scrape_page(closed)
    assert "GET /private/open-too" not in site.asked


async def test_a_host_whose_robots_txt_is_in_trouble_is_left_alone(site: Site) -> None:
    site.put("/robots.txt", "down", status=503)
    with pytest.raises(Failure, match=r"closed to crawlers by its robots\.txt"):
        await scrape_page(site.put("/", PAGE))


async def test_a_redirect_to_what_robots_txt_closes_gives_no_page(
    site: Site, ctx: KeptContext
) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /private\n")
    site.put("/private", PAGE)
    moved = site.redirect("/moved", "/private")
    with pytest.raises(Failure, match="closed to crawlers"):
        await scrape_page(moved)
    with pytest.raises(Failure, match="closed to crawlers"):
        await crawl_site(ctx, moved)


async def test_a_page_that_a_browser_has_to_fill_is_told_as_such(site: Site) -> None:
    url = site.put("/", "<title>App</title><div id=root></div><script src=app.js></script>")
    with pytest.raises(Failure, match="shows nothing without a browser"):
        await scrape_page(url)


async def test_a_site_is_crawled_breadth_first_within_its_host(
    site: Site, ctx: KeptContext
) -> None:
    home = site.put(
        "/", "<title>home</title><a href=/a>a</a><a href=/b>b</a><a href=//c.test/>c</a>"
    )
    site.put("/a", "<title>a</title><a href=/deep>d</a><a href=/>home</a><a href=/a#top>a</a>")
    site.put("/b", "<title>b</title><a href=/gone>g</a><a href=/file>f</a>")
    site.put("/deep", "<title>deep</title><a href=/deeper>e</a>")
    site.put("/file", "%PDF", content_type="application/pdf")
    site.put("/deeper", "<title>deeper</title>")
    crawled = await crawl_site(ctx, home, depth=2)
    assert [(page.title, page.depth) for page in crawled.pages] == [
        ("home", 0),
        ("a", 1),
        ("b", 1),
        ("deep", 2),
    ]
    assert {
        skip.url.rpartition("/")[2]: skip.reason.partition(" ")[2] for skip in crawled.skipped
    } == {
        "gone": "answered 404: check the address",
        "file": "is application/pdf, and no HTML page: give the address of one",
    }
    assert crawled.is_complete
    shares = [share for share, _ in ctx.reported]
    assert len(shares) == 6
    assert shares == sorted(shares)
    assert shares[0] < shares[-1] == 1.0
    assert sum(asked == "GET /robots.txt" for asked in site.asked) == 1


async def test_a_crawl_ends_at_the_number_of_pages_that_it_may_have(
    site: Site, ctx: KeptContext
) -> None:
    for number in range(10):
        site.put(f"/{number}", f"<title>{number}</title><a href=/{number + 1}>next</a>")
    crawled = await crawl_site(ctx, f"{site.url}/0", depth=5, pages_max=3)
    assert [page.title for page in crawled.pages] == ["0", "1", "2"]
    assert not crawled.is_complete


async def test_a_crawl_ends_with_its_time_and_keeps_what_it_has(site: Site) -> None:
    home = site.put("/", "<title>home</title><a href=/a>a</a>")
    crawl = Crawl(Robots(site.web), depth_max=2, pages_max=10, delay_s=0, time_s=0)
    assert [visit.url async for visit in crawl.visits(home)] == [home]
    assert list(crawl.waiting) == [(f"{site.url}/a", 1)]


async def test_addresses_that_lead_nowhere_new_count_too(site: Site, ctx: KeptContext) -> None:
    links = "".join(f"<a href=/{number}>" for number in range(20))
    home = site.put("/", f"<title>home</title>{links}")
    for number in range(20):
        site.redirect(f"/{number}", "/")
    crawled = await crawl_site(ctx, home, pages_max=5)
    assert [page.title for page in crawled.pages] == ["home"]
    assert len([asked for asked in site.asked if asked not in ("GET /", "GET /robots.txt")]) == 4
    assert not crawled.is_complete


async def test_pages_that_redirect_to_one_are_visited_once(site: Site, ctx: KeptContext) -> None:
    home = site.redirect("/", "/home")
    site.put("/home", "<title>home</title><a href=/>h</a><a href=/old>o</a><a href=/away>a</a>")
    site.redirect("/old", "/home")
    site.redirect("/away", "http://elsewhere.invalid/")
    crawled = await crawl_site(ctx, home)
    assert [page.url for page in crawled.pages] == [f"{site.url}/home"]
    assert [skip.url for skip in crawled.skipped] == [f"{site.url}/away"]


async def test_a_crawl_whose_first_page_cannot_be_had_fails(site: Site, ctx: KeptContext) -> None:
    with pytest.raises(Failure, match="answered 404"):
        await crawl_site(ctx, f"{site.url}/gone")
    with pytest.raises(Failure, match="no HTML page"):
        await crawl_site(ctx, site.put("/file", "%PDF", content_type="application/pdf"))


async def test_numbers_and_texts_that_no_json_can_hold_spoil_no_page(site: Site) -> None:
    number = f"<table><tr><td colspan={'1' * 5000}>cell</table>"
    assert (await scrape_page(site.put("/number", number))).tables[0].rows[0][0] == "cell"
    data = '<script type="application/ld+json">{"a": %s}</script>words'
    for path, value in {"/half": '"\\ud800"', "/endless": "1e999"}.items():
        page = await scrape_page(site.put(path, data % value))
        assert page.structured_data == []
        assert "block 1 of the JSON-LD cannot be read" in page.notes[0]
