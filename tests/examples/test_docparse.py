"""The example docparse: what is in a PDF, and why it cannot be read."""

import asyncio
import base64
import os
import threading
import zlib
from pathlib import Path

import pytest

from bridge.handlers import Failure
from docparse.handlers import describe_document, list_documents, parse_document
from docparse.make_samples import pdf, report, scan
from tests.examples.conftest import KeptContext, Site
from tests.waiting import wait_until

SAMPLES = Path(__file__).parents[2] / "config" / "examples" / "docparse" / "samples"


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def readers() -> list[str]:
    """Return the processes of here that read a PDF."""
    started = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    return [
        pid for pid in started if b"docparse.reading" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def test_the_samples_are_what_their_program_writes() -> None:
    assert (SAMPLES / "terminals.pdf").read_bytes() == report(12)
    assert (SAMPLES / "scan.pdf").read_bytes() == scan()
    assert (SAMPLES / "outside" / "files" / "berths.pdf").read_bytes() == report(4)


async def test_text_headings_and_tables_are_read_page_by_page(ctx: KeptContext) -> None:
    document = await parse_document(ctx, path="terminals.pdf", pages="2,11-")
    assert document.pages_total == 12
    assert document.metadata["Title"] == "Harbour Logistics, terminals"
    assert [page.number for page in document.pages] == [2, 11, 12]
    page = document.pages[0]
    assert page.headings == ["2. Antwerp"]
    assert "The terminal of Antwerp handled 2004 containers" in page.text
    assert page.tables[0].rows[0] == ["Quarter", "Containers", "Delayed", "Cost (EUR)"]
    assert page.tables[0].rows[4] == ["Q4", "2004", "42", "8,50"]
    assert (page.width_points, page.height_points, page.note) == (595, 842, "")
    assert ctx.reported == [
        (1 / 3, "page 2 of 12"),
        (2 / 3, "page 11 of 12"),
        (1, "page 12 of 12"),
    ]


async def test_documents_are_listed_and_described() -> None:
    assert (await list_documents()).paths == [
        "locked.pdf",
        "outside/files/berths.pdf",
        "scan.pdf",
        "terminals.pdf",
    ]
    assert (await describe_document(path="terminals.pdf")).pages_total == 12


async def test_a_page_that_is_a_picture_is_named(ctx: KeptContext) -> None:
    document = await parse_document(ctx, path="scan.pdf")
    assert document.pages_without_text == [1]
    assert "OCR" in document.pages[0].note


async def test_a_document_is_fetched_from_the_web(site: Site, ctx: KeptContext) -> None:
    url = site.put("/r.pdf", report(3), content_type="application/pdf")
    assert len((await parse_document(ctx, url=url)).pages) == 3
    with pytest.raises(Failure, match="answered 404"):
        await parse_document(ctx, url=f"{site.url}/gone.pdf")


async def test_a_damaged_page_spoils_no_other(ctx: KeptContext) -> None:
    good, bad = report(2), report(3)
    second = bad.find(b"/Contents 9 0 R")
    bad = bad[:second] + b"/Contents (none)" + bad[second + 15 :]
    assert len(good) < len(bad)
    document = await parse_document(ctx, content_base64=encoded(bad))
    assert [bool(page.text) for page in document.pages] == [True, False, True]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"path": "locked.pdf"}, "the PDF is encrypted: send one without a password"),
        ({"path": "../handlers.py"}, "outside the folder of documents"),
        ({"path": "/etc/passwd"}, "outside the folder of documents"),
        ({"path": "none.pdf"}, "no file in the folder of documents: see list_documents"),
        ({"path": "."}, "no file in the folder of documents"),
        ({"path": "a\0b"}, "no file in the folder of documents"),
        ({}, "give one of path, url and content_base64"),
        ({"path": "scan.pdf", "url": "https://a.test/"}, "give one of path, url"),
        ({"content_base64": "%"}, "is no base64"),
        ({"content_base64": ""}, "no PDF, or a damaged one"),
        ({"content_base64": encoded(b"hello" * 100)}, "no PDF, or a damaged one"),
        ({"content_base64": encoded(report(3)[:1500])}, "no PDF, or a damaged one"),
        ({"content_base64": encoded(pdf([]))}, "no page can be found"),
        ({"path": "terminals.pdf", "pages": "13-"}, "has pages 1 to 12, and none of 13-"),
        ({"path": "terminals.pdf", "pages": "0"}, "are no pages: write them like"),
        ({"path": "terminals.pdf", "pages": "3-1"}, "are no pages"),
        ({"path": "terminals.pdf", "pages": "all"}, "are no pages"),
        ({"path": "terminals.pdf", "pages": ",".join(["1"] * 101)}, "are no pages"),
        ({"url": "http://127.0.0.1:9/x.pdf"}, "not on the public internet"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_the_mend(
    ctx: KeptContext, source: dict[str, str], why: str
) -> None:
    with pytest.raises(Failure, match=why):
        await parse_document(ctx, **source)


async def test_a_document_that_is_too_long_is_refused(
    ctx: KeptContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCPARSE_BYTES_MAX", "2000")
    with pytest.raises(Failure, match="longer than 2000 bytes: split it"):
        await parse_document(ctx, path="terminals.pdf")
    with pytest.raises(Failure, match="longer than 2000 bytes"):
        await parse_document(ctx, url=site.put("/r.pdf", report(5)))


async def test_a_link_out_of_the_folder_is_not_followed(
    ctx: KeptContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (tmp_path / "secret.pdf").write_bytes(report(1))
    (folder / "link.pdf").symlink_to(tmp_path / "secret.pdf")
    monkeypatch.setenv("DOCPARSE_FOLDER", str(folder))
    with pytest.raises(Failure, match="outside the folder"):
        await parse_document(ctx, path="link.pdf")


async def test_a_page_made_to_take_for_ever_ends_with_its_time(
    ctx: KeptContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCPARSE_PAGE_S", "8")
    endless = b"BT /F1 9 Tf (x) Tj ET 0 0 9 9 re S\n" * 3_000_000
    assert len(zlib.compress(endless)) < 1_000_000
    with pytest.raises(Failure, match="the page after page 1 took longer than 8 s"):
        await parse_document(ctx, content_base64=encoded(pdf([b"", endless])))
    assert readers() == []


async def test_a_cancelled_call_ends_its_process_at_once(ctx: KeptContext) -> None:
    content = encoded(report(400))
    call = asyncio.create_task(parse_document(ctx, content_base64=content))
    await wait_until(lambda: len(ctx.reported) > 2, "pages are read")
    assert len(readers()) == 1
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert readers() == []
    assert len(ctx.reported) < 400


async def test_only_what_can_be_opened_is_listed(
    ctx: KeptContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "documents"
    monkeypatch.setenv("DOCPARSE_FOLDER", str(folder))
    with pytest.raises(Failure, match="its operator has to mend DOCPARSE_FOLDER"):
        await list_documents()
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "SCAN.PDF").write_bytes(report(1))
    (folder / "dir.pdf").mkdir()
    (folder / "out.pdf").symlink_to("/etc/hostname")
    (folder / "circle.pdf").symlink_to("circle.pdf")
    os.mkfifo(folder / "pipe.pdf")
    Path(os.fsdecode(os.fsencode(folder) + b"/b\xff.pdf")).write_bytes(report(1))
    assert (await list_documents()).paths == ["in/SCAN.PDF"]
    for name in ("dir.pdf", "circle.pdf", "pipe.pdf"):
        with pytest.raises(Failure, match="no file in the folder of documents"):
            await parse_document(ctx, path=name)
