"""Reads the plain text of simple PDFs, in the shape of n8n's Extract from File node."""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator

from bridge.models import Json
from bridge.standin.executions import WorkflowFailedError

PAGE = re.compile(rb"/Type\s*/Page\b")
STREAM = re.compile(rb"<<(.{0,400}?)>>\s*stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
TEXT = re.compile(rb"\((?:[^\\()]|\\.)*\)\s*Tj", re.DOTALL)
ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


def read_pdf(encoded: str) -> dict[str, Json]:
    """Return page count and text; a file that is no PDF, or holds no plain text, fails the run."""
    try:
        file = base64.b64decode(encoded)
        pages = [page for page in map(_text, _contents(file)) if page]
    except (binascii.Error, zlib.error) as error:
        raise WorkflowFailedError("Invalid PDF structure.", "Text") from error
    if not file.startswith(b"%PDF-") or not pages:
        raise WorkflowFailedError("Invalid PDF structure.", "Text")
    count = len(PAGE.findall(file))
    version = file[5:8].decode("latin-1")
    info: dict[str, Json] = {"PDFFormatVersion": version, "Language": None}
    return {"numpages": count, "numrender": count, "info": info, "text": "\n\n".join(pages)}


def _contents(file: bytes) -> Iterator[bytes]:
    for about, content in STREAM.findall(file):
        yield zlib.decompress(content) if b"/FlateDecode" in about else content


def _text(content: bytes) -> str:
    lines = (found[0].rpartition(b")")[0][1:] for found in TEXT.finditer(content))
    return "\n".join(ESCAPE.sub(rb"\1", line).decode("latin-1") for line in lines)
