"""Writes the sample PDFs: `python -m docparse.make_samples`, in the folder of the server files.

`report(60)` is a report of so many pages; its numbers follow from the page, so tests know them.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

SAMPLES = Path(__file__).parent / "samples"
PORTS = ("Rotterdam", "Hamburg", "Antwerp", "Valencia", "Piraeus")
WIDTH, HEIGHT, MARGIN = 595, 842, 72
TITLE_POINTS, TEXT_POINTS = 18, 10


def text(x: float, y: float, words: str, points: int = TEXT_POINTS) -> bytes:
    """Return the operators that write a line."""
    escaped = words.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    written = escaped.encode("cp1252")
    return b"BT /F1 %d Tf %.1f %.1f Td (%s) Tj ET\n" % (points, x, y, written)


def table(top: float, rows: Sequence[Sequence[str]]) -> bytes:
    """Return the operators that write a table with ruled lines."""
    drawn = b""
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            x, y = MARGIN + 110 * column, top - 20 * (at + 1)
            drawn += b"%d %.1f 110 20 re S\n" % (x, y) + text(x + 4, y + 6, cell)
    return drawn


def section(number: int) -> bytes:
    """Return one page of the report."""
    port = PORTS[number % len(PORTS)]
    rows = [("Quarter", "Containers", "Delayed", "Cost (EUR)")]
    rows += [
        (f"Q{q}", str(1000 * number + q), str(10 * q + number), f"{number * q},50")
        for q in range(1, 5)
    ]
    lines = [
        f"The terminal of {port} handled {1000 * number + 4} containers in the last quarter.",
        "Delays came from crane maintenance, and from two days of fog in November.",
        f"The board has approved berth {number}, which opens in spring.",
    ]
    drawn = text(MARGIN, 760, f"{number}. {port}", TITLE_POINTS)
    for at, line in enumerate(lines):
        drawn += text(MARGIN, 720 - 16 * at, line)
    return drawn + table(640, rows) + text(MARGIN, 40, f"Harbour Logistics - page {number}")


def report(pages: int) -> bytes:
    """Return a PDF of so many pages."""
    return pdf([section(number) for number in range(1, pages + 1)])


def scan() -> bytes:
    """Return a PDF of one page that is a picture of text, and has none."""
    return pdf([b"400 0 0 500 90 200 cm /Picture Do"])


def pdf(contents: Sequence[bytes], title: str = "Harbour Logistics, terminals") -> bytes:
    """Return a PDF with one page for each content."""
    first = 6
    kids = b" ".join(b"%d 0 R" % (first + 2 * at) for at in range(len(contents)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(contents)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        stream(
            b"\x00\xff\xff\x00",
            b"/Type /XObject /Subtype /Image /Width 2 /Height 2 "
            b"/ColorSpace /DeviceGray /BitsPerComponent 8 ",
        ),
        b"<< /Title (%s) /Author (The harbour office) /CreationDate (D:20260301090000Z) >>"
        % title.encode("cp1252"),
    ]
    for at, content in enumerate(contents):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R /Resources "
            b"<< /Font << /F1 3 0 R >> /XObject << /Picture 4 0 R >> >> >>"
            % (WIDTH, HEIGHT, first + 2 * at + 1)
        )
        objects.append(stream(content))
    return assembled(objects)


def stream(content: bytes, about: bytes = b"") -> bytes:
    """Return an object that holds bytes, packed."""
    packed = zlib.compress(content, 9)
    return b"<< %s/Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (
        about,
        len(packed),
        packed,
    )


def assembled(objects: Sequence[bytes]) -> bytes:
    """Return a file of these objects, the first of which is the catalog, the fifth the info."""
    file = b"%PDF-1.7\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table_of = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    trailer = b"trailer << /Size %d /Root 1 0 R /Info 5 0 R >>\n" % size
    return (
        file
        + b"xref\n0 %d\n0000000000 65535 f \n" % size
        + table_of
        + trailer
        + b"startxref\n%d\n%%%%EOF\n" % len(file)
    )


if __name__ == "__main__":
    (SAMPLES / "terminals.pdf").write_bytes(report(12))
    (SAMPLES / "scan.pdf").write_bytes(scan())
    (SAMPLES / "outside" / "files" / "berths.pdf").write_bytes(report(4))
