"""What the examples fetch: public hosts only, and nothing that is long, late or endless."""

import asyncio
import gzip
from dataclasses import replace
from pathlib import Path
from socket import AF_INET, SOCK_STREAM
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from bridge.handlers import Failure
from public_web.crawling import Robots
from public_web.fetching import PRIVATE_HOSTS, Answer, PublicWeb, is_public, named_private_hosts
from public_web.html import read_html
from tests.examples.conftest import Site
from tests.tls import serving_tls


def page(body: bytes, content_type: str = "text/html") -> Answer:
    return Answer("https://a.test/deep/page", 200, {"content-type": content_type}, body)


@pytest.mark.parametrize(
    ("address", "is_let"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
    ],
)
def test_only_addresses_of_the_internet_are_public(address: str, is_let: bool) -> None:
    assert is_public(address) == is_let


async def test_a_private_host_is_refused_until_it_is_named(site: Site) -> None:
    url = site.put("/", "<p>hello")
    with pytest.raises(Failure, match=r"not on the public internet.*EXAMPLES_PRIVATE_HOSTS"):
        await PublicWeb().get(url)
    assert (await site.web.get(url)).body == b"<p>hello"
    assert site.asked == ["GET /"]


@pytest.mark.parametrize("named", ["LocalHost", " localhost:9 ,b", "[::1]:9", "[::1]"])
async def test_a_private_host_may_be_named_as_people_write_it(
    named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PRIVATE_HOSTS, named)
    host = "[::1]" if "::" in named else "localhost"
    with pytest.raises(Failure, match="cannot be reached"):
        await PublicWeb(named_private_hosts()).get(f"http://{host}:9/")


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have names mean these addresses, one answer after the other; return what was asked for."""
    asked: list[str] = []
    left = list(answers)

    async def found(host: str, port: int, **_: object) -> list[Any]:
        asked.append(host)
        return [(AF_INET, SOCK_STREAM, 6, "", (address, port)) for address in left.pop(0)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found, raising=False)
    return asked


async def test_a_name_that_means_another_address_a_moment_later_leads_to_the_one_looked_at(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.put("/", "<p>hello")
    host = site.host.replace("127.0.0.1", "turns.test")
    asked = resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    answer = await PublicWeb(frozenset({host})).get(f"http://{host}/")
    assert answer.body == b"<p>hello"
    assert asked == ["turns.test"]


@pytest.mark.parametrize(
    "answers", [["93.184.216.34", "127.0.0.1"], ["::ffff:169.254.169.254"], ["10.0.0.1"]]
)
async def test_a_name_with_a_private_address_among_its_own_is_not_connected_to(
    answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, answers)
    with pytest.raises(Failure, match=r"turns\.test is not on the public internet"):
        await PublicWeb().get("http://turns.test/")


async def test_a_redirect_to_a_private_host_is_refused(site: Site) -> None:
    url = site.redirect("/", "http://127.0.0.1:1/secrets")
    with pytest.raises(Failure, match="not on the public internet"):
        await site.web.get(url)


async def test_a_redirect_to_no_address_is_told(site: Site) -> None:
    with pytest.raises(Failure, match=r"'http://\[oops#' is no address"):
        await site.web.get(site.redirect("/", "http://[oops#"))


async def test_an_address_without_end_is_refused_in_a_sentence(site: Site) -> None:
    for url in (site.redirect("/", "/" + "x" * 60_000), f"{site.url}/" + "x" * 60_000):
        with pytest.raises(Failure, match="none is fetched that has more than 4000") as refused:
            await Robots(site.web).fetch(url)
        assert len(str(refused.value)) < 400


async def test_redirects_are_followed_five_times_and_no_more(site: Site) -> None:
    for hop in range(5):
        site.redirect(f"/{hop}", f"/{hop + 1}")
    site.put("/5", "<p>there")
    assert (await site.web.get(f"{site.url}/0")).url == f"{site.url}/5"

    round_about = site.redirect("/round", "/round")
    with pytest.raises(Failure, match="redirects more than 5 times"):
        await site.web.get(round_about)


async def test_the_certificate_must_be_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    app = Starlette(routes=[Route("/", lambda _request: Response("hello"))])
    async with serving_tls(app, tmp_path, "localhost") as (port, trust):
        web = PublicWeb(frozenset({"localhost", "127.0.0.1"}), trust=trust)
        assert (await web.get(f"https://localhost:{port}/")).body == b"hello"
        with pytest.raises(Failure, match=r"cannot be reached: .*certificate verify failed"):
            await web.get(f"https://127.0.0.1:{port}/")
        with pytest.raises(Failure, match=r"cannot be reached: .*certificate verify failed"):
            await replace(web, trust=None).get(f"https://localhost:{port}/")


async def test_a_page_that_is_too_long_is_left_off_where_it_is(site: Site) -> None:
    url = site.put("/", b"x" * 1001)
    with pytest.raises(Failure, match="longer than 1000 bytes"):
        await PublicWeb(frozenset({site.host}), bytes_max=1000).get(url)


async def test_what_is_packed_unasked_is_not_unpacked(site: Site) -> None:
    url = site.put("/", gzip.compress(bytes(10_000_000)), content_encoding="gzip")
    with pytest.raises(Failure, match=r"packed \(gzip\)"):
        await site.web.get(url)


async def test_a_host_that_says_nothing_is_given_up() -> None:
    came = asyncio.Event()
    writers = []

    async def mute(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        came.set()

    async with await asyncio.start_server(mute, "127.0.0.1") as server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(Failure, match=r"did not answer within 0\.2 s"):
            await PublicWeb(frozenset({host}), timeout_s=0.2).get(f"http://{host}/")
        assert came.is_set()
        for writer in writers:
            writer.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://a.test/x", "no address of the web"),
        ("file:///etc/passwd", "no address of the web"),
        ("a.test", "no address of the web"),
        ("http://", "no address of the web"),
        ("https://me:secret@a.test/", "holds a password"),
        ("http://[::1", "no address"),
        ("http://a.test:65536/", "no port is greater than 65535"),
        ("http://[::1#part", "no address"),
        ("http://nowhere.invalid/", "is not known"),
        ("http://127.0.0.1:9/", "not on the public internet"),
    ],
)
async def test_what_is_no_address_of_the_public_web_is_refused(url: str, why: str) -> None:
    with pytest.raises(Failure, match=why) as refused:
        await Robots(PublicWeb()).fetch(url)
    assert "robots.txt" not in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_what_is_not_there_is_told_with_its_status(site: Site) -> None:
    with pytest.raises(Failure, match="answered 404: check the address"):
        await site.web.get_existing(f"{site.url}/gone")


def test_broken_html_is_read_as_browsers_read_it() -> None:
    body = b"<title>A &amp; B</title><p>one<p>two <b>bold<p>three<table><tr><td>1<td>2</table>"
    read = read_html(page(body + b"<h2>Head<ul><li>first<li>second</ul><a href='../up#part'>up"))
    assert read.title == "A & B"
    assert read.text() == "one\ntwo bold\nthree\n1 2\n## Head\n- first\n- second\nup"
    assert [link.url for link in read.links()] == ["https://a.test/up"]


def test_the_main_part_is_read_without_what_stands_around_it() -> None:
    body = b"<nav>menu</nav><main><h1>News</h1><p>It rains.<script>x()</script></main><footer>f"
    assert read_html(page(body)).text() == "# News\nIt rains."
    assert read_html(page(b"<header>menu</header><p>It rains.")).text() == "It rains."


@pytest.mark.parametrize("tag", ["div", "b", "table", "a href=/x", "p"])
def test_a_page_nested_without_end_is_read_at_once_and_its_end_left_out(tag: str) -> None:
    read = read_html(page(b"<p>begins " + f"<{tag}>".encode() * 50_000 + b"deep"))
    assert read.text().startswith("begins")
    assert len(read.links()) <= 1
    assert bool(read.notes) == (tag in ("div", "b", "table"))


def test_a_page_whose_parts_repeat_each_other_stays_small() -> None:
    headings = b"<h1><div>" * 120 + b"x" * 1_000_000
    assert all(len(heading.text) == 1000 for heading in read_html(page(headings)).headings())
    base = b"<base href=/" + b"x" * 1_000_000 + b">" + b"<a href=y>" * 10_000
    assert [link.url for link in read_html(page(base)).links()] == ["https://a.test/deep/y"]
    links = b"".join(b"<a href=/%d>" % number for number in range(5000))
    assert len(read_html(page(links)).links()) == 2000
    assert len(read_html(page(b"<h1>news</h1>" * 5000)).headings()) == 2000


def test_headings_around_much_that_is_empty_are_read_at_once() -> None:
    read = read_html(page(b"<h1>news" * 200 + b"<i></i>" * 600_000))
    assert read.headings()[0].text.startswith("newsnews")


@pytest.mark.parametrize(
    "attributes",
    [b" ".join(b"a%d=1" % at for at in range(400_000)), b"a='1'" * 5000, b"x' a" + b"/a" * 5000],
)
def test_an_element_of_so_many_attributes_that_it_is_never_read_is_refused(
    attributes: bytes,
) -> None:
    with pytest.raises(Failure, match="has more than 2000 attributes"):
        read_html(page(b"<p>begins <p " + attributes + b">"))


@pytest.mark.parametrize(
    "html",
    [
        b"<img src='data:image/png;base64," + b"abc/d+g=" * 100_000 + b"'>",
        b"<svg><path d='" + b"M 0 0 L 9 9 " * 100_000 + b"'/></svg>",
        b"<style>" + b"p {a: b} " * 10_000 + b"</style>",
        b"<p " + b"a " * 2000 + b">",
    ],
)
def test_an_element_that_is_only_long_is_read(html: bytes) -> None:
    assert read_html(page(html + b"<p>news")).text() == "news"


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("Zoë".encode(), "text/html", "Zoë"),
        ("Zoë".encode("latin-1"), "text/html; charset=iso-8859-1", "Zoë"),
        ('<meta charset="iso-8859-2">Łódź'.encode("iso-8859-2"), "text/html", "Łódź"),
        (b"\xef\xbb\xbf" + "Zoë".encode(), "text/html; charset=latin-1", "Zoë"),
        (b"\xff\xfe" + "Zoë".encode("utf-16-le"), "text/html", "Zoë"),
    ],
)
def test_a_page_is_read_in_the_charset_that_it_names(
    body: bytes, content_type: str, text: str
) -> None:
    read = read_html(page(body, content_type))
    assert (read.text(), read.notes) == (text, [])


def test_a_page_that_is_not_in_the_charset_that_it_names_is_read_and_noted() -> None:
    read = read_html(page("<p>Zoë".encode("windows-1252"), "text/html; charset=utf-8"))
    assert read.text() == "Zoë"
    assert read.notes == [
        "the page is not in utf-8, as it says, at byte 5: read as cp1252",
    ]


@pytest.mark.parametrize(
    ("body", "content_type", "why"),
    [
        (
            b"<p>x",
            "text/html; charset=klingon",
            "charset is 'klingon', which is none of the web",
        ),
        (b"<p>x", "text/html; charset=idna", "charset is 'idna', which is none of the web"),
        (b"<p>x", "text/html; charset=hex", "charset is 'hex', which is none of the web"),
        (b"<p>x", "text/html; charset=\0", "none of the web"),
        (b"%PDF-1.7", "application/pdf", "is application/pdf, and no HTML page"),
        (b"<p>x", "", "of no kind that it names"),
        (b"", "text/html", "is an empty page"),
        (b"<!-- nothing -->", "text/html", "is an empty page"),
    ],
)
def test_what_is_no_page_is_refused_with_the_reason(
    body: bytes, content_type: str, why: str
) -> None:
    with pytest.raises(Failure, match=why):
        read_html(page(body, content_type))


def test_structured_data_is_read_and_what_is_none_is_named() -> None:
    blocks = ['{"@type": "Product"}', "{", '{"n": NaN}', "[" * 60 + "]" * 60]
    body = "".join(f'<script type="application/ld+json">{block}</script>' for block in blocks)
    values, faults = read_html(page(body.encode())).structured_data()
    assert values == [{"@type": "Product"}]
    assert [fault[:18] for fault in faults] == [f"block {n} of the JSO"[:18] for n in (2, 3, 4)]
    assert faults[2].endswith("nested deeper than 50")
