"""The tools of the example coderag; the index is open from the process's start to its end."""

import asyncio
import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from bridge.handlers import Context, Failure
from coderag.chunks import chunks_of, lines_of
from coderag.index import WORD, Hit, Index
from coderag.repository import paths_in, text_in

SERVER_FILES = Path(__file__).parent.parent
CITATION = re.compile(r"(.+):(\d{1,9})(?:-(\d{1,9}))?", re.DOTALL)
LINES_MAX = 400
EXCERPT_LINES, LINE_CHARS = 8, 200


@dataclass
class Opened:
    """A repository and its index; one refresh runs at a time."""

    root: Path
    index: Index
    refreshing: asyncio.Lock = field(default_factory=asyncio.Lock)


opened: list[Opened] = []
"""What `startup` has opened, until `shutdown`."""


class IndexState(BaseModel):
    """The index after a refresh."""

    changed: list[str] = Field(description="Files that are new or were changed, the first 100.")
    removed: list[str]
    files: int
    chunks: int


class FoundChunk(BaseModel):
    """A place that fits; read_chunk takes its citation."""

    citation: str = Field(description="file:first-last, lines counted from 1.")
    symbol: str = Field(description="The function, class or heading; empty between them.")
    score: float
    excerpt: str = Field(description="Its first line and those with words of the query.")


class SearchResult(BaseModel):
    """Places in the repository, the best first."""

    found: list[FoundChunk]


class CitedLines(BaseModel):
    """Lines of a file as they are now."""

    citation: str
    text: str
    lines_total: int


async def startup() -> None:
    """Open the index of the repository."""
    root = (SERVER_FILES / os.environ["CODERAG_REPOSITORY"]).resolve()
    name = hashlib.sha256(str(root).encode()).hexdigest()[:16]
    usual = Path.home() / ".cache" / "n8n-claude-bridge-examples" / f"coderag-{name}.sqlite3"
    index = await asyncio.to_thread(Index, Path(os.environ.get("CODERAG_INDEX") or usual))
    opened.append(Opened(root, index))


async def shutdown() -> None:
    """Close it."""
    await asyncio.to_thread(opened.pop().index.close)


async def refresh_index(ctx: Context) -> IndexState:
    """Index what is new or has changed in the repository, and forget what is gone."""
    [repository] = opened
    async with repository.refreshing:
        if not repository.root.is_dir():
            raise Failure("the repository is gone: its operator has to mend CODERAG_REPOSITORY")
        known = await asyncio.to_thread(repository.index.digests)
        paths = await asyncio.to_thread(paths_in, repository.root)
        changed = []
        for done, path in enumerate(paths, start=1):
            if await asyncio.to_thread(_refresh, repository, path, known.pop(path, None)):
                changed.append(path)
            await ctx.progress(done / len(paths), f"{done} of {len(paths)} files")
        for path in known:
            await asyncio.to_thread(repository.index.drop, path)
        files, chunks = await asyncio.to_thread(repository.index.counts)
    removed = sorted(known)
    return IndexState(changed=changed[:100], removed=removed[:100], files=files, chunks=chunks)


async def search_code(
    query: Annotated[str, Field(description="Words and names that should stand there.")],
    paths: Annotated[str, Field(description="Which files, such as src/*.py.")] = "*",
    limit: Annotated[int, Field(ge=1, le=30)] = 8,
) -> SearchResult:
    """Find the functions, classes and headings of the repository that fit some words best."""
    [repository] = opened
    hits = await asyncio.to_thread(repository.index.find, query, paths, limit)
    if not hits and not (await asyncio.to_thread(repository.index.counts))[0]:
        raise Failure("nothing is indexed yet: call refresh_index first")
    return SearchResult(found=[_shown(hit, query) for hit in hits])


async def read_chunk(
    citation: Annotated[str, Field(description="file:first-last, as search_code gives it.")],
    around: Annotated[int, Field(ge=0, le=200, description="So many lines more.")] = 0,
) -> CitedLines:
    """Read the lines that a citation names, at most 400 of them."""
    [repository] = opened
    named = CITATION.fullmatch(citation)
    if not named:
        raise Failure(f"{citation[:200]!r} is no citation: write file:first-last")
    path, first, last = named[1], int(named[2]), int(named[3] or named[2])
    lines = lines_of(await asyncio.to_thread(_indexed_text, repository, path))
    if not lines:
        raise Failure(f"{path} has no lines: it is empty, too long or no text")
    if not 1 <= first <= last <= len(lines):
        raise Failure(f"{path} has the lines 1 to {len(lines)}: cite some of these")
    first, last = max(1, first - around), min(len(lines), last + around, first - around + LINES_MAX)
    text = "\n".join(lines[first - 1 : last])
    return CitedLines(citation=f"{path}:{first}-{last}", text=text, lines_total=len(lines))


def _refresh(repository: Opened, path: str, known: str | None) -> bool:
    """Index a file unless its digest is the one known; report whether it was."""
    text = _text(repository, path)
    digest = _digest(text)
    if digest == known:
        return False
    repository.index.put(path, digest, chunks_of(path, text))
    return True


def _indexed_text(repository: Opened, path: str) -> str:
    """Return the text of a file that is in the index, and no other."""
    known = repository.index.digests().get(path)
    if known is None:
        raise Failure(f"{path[:200]!r} is not in the index: see what search_code finds")
    text = _text(repository, path)
    if _digest(text) != known:
        why = f"{path} has changed since it was indexed"
        raise Failure(f"{why}: call refresh_index, then search anew")
    return text


def _text(repository: Opened, path: str) -> str:
    """Return the text of a file; none is in a file that is gone, too long or no text."""
    try:
        return text_in(repository.root / path) or ""
    except OSError:
        return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _shown(hit: Hit, query: str) -> FoundChunk:
    chunk = hit.chunk
    words = {word.lower() for word in WORD.findall(query)}
    lines = list(enumerate(lines_of(chunk.text), start=chunk.first_line))
    fitting = [(at, line) for at, line in lines[1:] if words & set(WORD.findall(line.lower()))]
    shown = [*lines[:1], *fitting][:EXCERPT_LINES]
    return FoundChunk(
        citation=f"{hit.path}:{chunk.first_line}-{chunk.last_line}",
        symbol=chunk.symbol,
        score=hit.score,
        excerpt="\n".join(f"{at}: {line[:LINE_CHARS]}" for at, line in shown),
    )
