"""The tools of the example docparse."""

import asyncio
import contextlib
import importlib.util
import json
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import BaseModel, Field

from bridge.handlers import Context, Failure
from docparse.documents import Source, paths
from docparse.parsed import DocumentInfo, Page, ParsedDocument

if importlib.util.find_spec("pdfplumber") is None:  # its program would only fail amid a call
    raise ModuleNotFoundError("No module named 'pdfplumber'", name="pdfplumber")

SERVER_FILES = Path(__file__).parent.parent
LINE_BYTES_MAX = 16_000_000
RANGE = re.compile(r"(\d{1,9})(?:(-)(\d{1,9})?)?")
RANGES_MAX = 100

DocumentPath = Annotated[str | None, Field(description="A file that list_documents names.")]
DocumentUrl = Annotated[str | None, Field(description="An http or https address of the PDF.")]
Content = Annotated[str | None, Field(description="The PDF itself, in base64.")]
Ranges = list[tuple[int, int]]


class Documents(BaseModel):
    """What lies in the folder of documents."""

    paths: list[str]


async def list_documents() -> Documents:
    """List the PDFs that parse_document and describe_document take by their path."""
    return Documents(paths=await asyncio.to_thread(paths))


async def describe_document(
    path: DocumentPath = None, url: DocumentUrl = None, content_base64: Content = None
) -> DocumentInfo:
    """Count the pages of a PDF, and read its title, author and dates; takes a second.

    Give one of `path`, `url` and `content_base64`.
    """
    async with Source(path, url, content_base64).open() as file, lines_of(file, []) as lines:
        return DocumentInfo.model_validate((await anext(lines))["info"])


async def parse_document(
    ctx: Context,
    path: DocumentPath = None,
    url: DocumentUrl = None,
    content_base64: Content = None,
    pages: Annotated[str, Field(description="Which pages: 1-3,7,20- for example.")] = "1-",
) -> ParsedDocument:
    """Extract text, headings and ruled tables of a PDF, page by page; long ones take minutes.

    Give one of `path`, `url` and `content_base64`.
    """
    ranges = ranges_in(pages)
    found: list[Page] = []
    async with Source(path, url, content_base64).open() as file, lines_of(file, ranges) as lines:
        info = DocumentInfo.model_validate((await anext(lines))["info"])
        wanted = len({n for a, b in ranges for n in range(a, min(b, info.pages_total) + 1)})
        if not wanted:
            raise Failure(f"the PDF has pages 1 to {info.pages_total}, and none of {pages}")
        async for line in lines:
            page = Page.model_validate(line["page"])
            found.append(page)
            await ctx.progress(len(found) / wanted, f"page {page.number} of {info.pages_total}")
    without_text = [page.number for page in found if not page.text]
    return ParsedDocument(**info.model_dump(), pages=found, pages_without_text=without_text)


def ranges_in(pages: str) -> Ranges:
    """Return the ranges of pages in a text such as 1-3,7,20-.

    Raises:
        Failure: it is no such text.
    """
    parts = pages.replace(" ", "").split(",")
    found = [RANGE.fullmatch(part) for part in parts[:RANGES_MAX]]
    ranges = [
        (int(each[1]), int(each[3] or sys.maxsize) if each[2] else int(each[1]))
        for each in found
        if each
    ]
    if len(ranges) != len(parts) or any(not 0 < first <= last for first, last in ranges):
        raise Failure(f"{pages[:100]!r} are no pages: write them like 1-3,7,20-, from the first, 1")
    return ranges


@contextlib.asynccontextmanager
async def lines_of(file: IO[bytes], ranges: Ranges) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Run the program that reads a PDF, and return the lines that it writes; end it in the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "docparse.reading", json.dumps(ranges)),
        stdin=file,
        stdout=PIPE,
        stderr=DEVNULL,
        cwd=SERVER_FILES,
        limit=LINE_BYTES_MAX,
    )
    try:
        yield _read_lines(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _read_lines(process: asyncio.subprocess.Process) -> AsyncIterator[dict[str, Any]]:
    assert process.stdout is not None
    page_s = float(os.environ.get("DOCPARSE_PAGE_S", "60"))
    last = 0
    while True:
        try:
            async with asyncio.timeout(page_s):
                text = await process.stdout.readline()
        except TimeoutError:
            why = f"the page after page {last} took longer than {page_s:g} s to read"
            raise Failure(f"{why}: ask for `pages` without it") from None
        if not text:
            break
        line: dict[str, Any] = json.loads(text)
        if "failure" in line:
            raise Failure(line["failure"])
        last = line.get("page", {}).get("number", last)
        yield line
    if await process.wait():
        raise Failure(
            "the PDF is damaged, or needs more memory than it may have: export it anew, or ask "
            "for fewer `pages`"
        )
