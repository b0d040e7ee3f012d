"""Where a PDF comes from: the folder of documents, the web, or the call itself."""

import asyncio
import base64
import binascii
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bridge.handlers import Failure
from public_web.fetching import PublicWeb, named_private_hosts

SERVER_FILES = Path(__file__).parent.parent
FETCH_S = 120.0


def folder() -> Path:
    """Return where documents lie; a relative path starts at the folder of the server file."""
    return (SERVER_FILES / os.environ.get("DOCPARSE_FOLDER", "docparse/samples")).resolve()


def paths() -> list[str]:
    """Return the PDFs of the folder that can be opened by their path, in its order.

    Raises:
        Failure: there is no folder.
    """
    root = folder()
    if not root.is_dir():
        raise Failure("there is no folder of documents: its operator has to mend DOCPARSE_FOLDER")
    files = (file for file in root.rglob("*") if file.suffix.lower() == ".pdf")
    return sorted(file.relative_to(root).as_posix() for file in files if _can_be_named(root, file))


def _can_be_named(root: Path, file: Path) -> bool:
    """Report whether it is a file of the folder itself, and its name is a text."""
    try:
        str(file).encode()
        return file.is_file() and file.resolve().is_relative_to(root)
    except (OSError, UnicodeEncodeError):
        return False


def bytes_max() -> int:
    """Return how long a PDF may be."""
    return int(os.environ.get("DOCPARSE_BYTES_MAX", "50000000"))


@dataclass(frozen=True)
class Source:
    """Where one document is: exactly one of three."""

    path: str | None
    url: str | None
    content_base64: str | None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[IO[bytes]]:
        """Open the document as a file.

        Raises:
            Failure: none or several are named, or it is not to be had.
        """
        if [self.path, self.url, self.content_base64].count(None) != 2:
            raise Failure("give one of path, url and content_base64")
        if self.path is not None:
            content: IO[bytes] = await asyncio.to_thread(_opened, self.path)
        elif self.url is not None:
            web = PublicWeb(named_private_hosts(), bytes_max(), FETCH_S)
            content = await asyncio.to_thread(_stored, (await web.get_existing(self.url)).body)
        else:
            content = await asyncio.to_thread(_stored, _decoded(self.content_base64 or ""))
        with content:
            yield content


def _opened(path: str) -> IO[bytes]:
    """Open a file of the folder; links that lead out of it are no way out."""
    root = folder()
    no_file = f"{path!r} is no file in the folder of documents: see list_documents"
    try:
        file = (root / path).resolve()
        if not file.is_relative_to(root):
            raise Failure(f"{path!r} is outside the folder of documents: see list_documents")
        if not file.is_file():  # a pipe would be waited for
            raise Failure(no_file)
        if file.stat().st_size > bytes_max():
            raise Failure(f"{path!r} is longer than {bytes_max()} bytes: split it")
        return file.open("rb")
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle
        raise Failure(no_file) from error


def _stored(body: bytes) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - its opener closes it
    file.write(body)
    file.seek(0)
    return file


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Failure(f"content_base64 is no base64 ({error}): send the file's bytes so") from error
