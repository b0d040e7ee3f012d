"""The program that reads a PDF from its standard input and writes JSON lines: `info`, then `page`s.

It runs in a process of its own, for a PDF may be made to take hours or gigabytes: that process is
ended then, or when the call is cancelled, and nothing else with it.

pdfplumber (MIT, on pdfminer.six) is taken for it finds tables by their ruled lines; pypdf has none.
"""

import json
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from io import BufferedReader
from typing import Any

import pdfplumber
from pdfminer.pdfdocument import PDFEncryptionError, PDFPasswordIncorrect
from pdfplumber.page import Page as PlumberPage
from pdfplumber.pdf import PDF
from pdfplumber.utils.exceptions import PdfminerException

from docparse.parsed import DocumentInfo, Page, Table

Ranges = list[tuple[int, int]]
Rows = list[list[str | None]]

CHARS_MAX = 200_000
"""What a page may hold: its cells are no more than its text, but for empty ones."""

TABLES_MAX = 100

HEADING_RATIO = 1.15
HEADING_CHARS_MAX = 200


class UnreadableError(Exception):
    """The document cannot be read; its text says why, and what to do."""


def read(file: BufferedReader, ranges: Ranges) -> Iterator[dict[str, Any]]:
    """Return the JSON lines of a document: of its pages those in the ranges.

    Raises:
        UnreadableError: it is encrypted, damaged or no PDF.
    """
    with opened(file) as pdf:
        total = len(pdf.pages)
        if not total:
            raise UnreadableError("no page can be found in the PDF: export it again")
        metadata = {str(key): str(value)[:1000] for key, value in pdf.metadata.items() if value}
        yield {"info": DocumentInfo(pages_total=total, metadata=metadata).model_dump()}
        for page in pdf.pages:
            if any(first <= page.page_number <= last for first, last in ranges):
                yield {"page": read_page(page).model_dump()}
                page.close()


def opened(file: BufferedReader) -> PDF:
    """Open a PDF that needs no password.

    Raises:
        UnreadableError: it needs one, is damaged or no PDF.
    """
    try:
        return pdfplumber.open(file)
    except PdfminerException as error:
        cause = error.args[0] if error.args else error
        if isinstance(cause, PDFPasswordIncorrect | PDFEncryptionError):
            raise UnreadableError("the PDF is encrypted: send one without a password") from error
        raise UnreadableError(
            f"this is no PDF, or a damaged one ({cause}): export it anew"
        ) from error


def read_page(page: PlumberPage) -> Page:
    """Read a page; of one that is broken only its number and why."""
    try:
        content = content_of(page)
    except Exception as error:  # noqa: BLE001 - a broken page raises anything, and spoils no other
        why = str(error) or type(error).__name__
        content = {"note": f"it cannot be read ({why}): export it anew"}
    width, height = float(page.width), float(page.height)
    return Page(number=page.page_number, width_points=width, height_points=height, **content)


def content_of(page: PlumberPage) -> dict[str, Any]:
    """Return what stands on a page, or a note of why nothing, or not all, does."""
    lines = page.extract_text_lines()
    if not lines:
        note = "a picture without text: run it through OCR first" if page.images else "empty"
        return {"note": note}
    text = "\n".join(line["text"] for line in lines)
    if len(text) > CHARS_MAX:
        return {"text": text[:CHARS_MAX], "note": f"cut after {CHARS_MAX} characters"}
    tables = [Table(rows=cells(found.extract())) for found in page.find_tables()[:TABLES_MAX]]
    return {"headings": headings(lines), "text": text, "tables": tables}


def cells(rows: Rows) -> list[list[str]]:
    """Return the cells of a table as texts on one line."""
    return [[" ".join((cell or "").split()) for cell in row] for row in rows]


def headings(lines: list[dict[str, Any]]) -> list[str]:
    """Return the lines whose type is larger than most of the page's."""
    sizes = Counter(round(char["size"], 1) for line in lines for char in line["chars"])
    usual = sizes.most_common(1)[0][0]
    return [
        line["text"][:HEADING_CHARS_MAX]
        for line in lines
        if min(char["size"] for char in line["chars"]) >= usual * HEADING_RATIO
    ]


def main(ranges: Ranges) -> None:
    """Read the PDF on standard input; say on the last line why it cannot be read."""
    logging.disable()
    try:
        with open(0, "rb") as file:
            for line in read(file, ranges):
                print(json.dumps(line), flush=True)  # noqa: T201
    except UnreadableError as error:
        print(json.dumps({"failure": str(error)}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
