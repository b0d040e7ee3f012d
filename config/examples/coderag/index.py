"""The index: chunks in SQLite's full-text search (FTS5), ranked by bm25.

On purpose there are no embeddings: they need a model, which is a download or a service, and code is
mostly asked for by the words that stand in it. A symbol counts more than a path, and that more than
text; names in camelCase are indexed by their parts too.
"""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coderag.chunks import Chunk

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, digest TEXT NOT NULL, first_row INTEGER, last_row INTEGER
) STRICT;
CREATE VIRTUAL TABLE IF NOT EXISTS chunks USING fts5(
    path, symbol, text, parts, first_line UNINDEXED, last_line UNINDEXED,
    tokenize = 'porter unicode61 remove_diacritics 2'
);
"""
PUT = """
INSERT INTO chunks (path, symbol, text, parts, first_line, last_line) VALUES (?, ?, ?, ?, ?, ?)
"""
FIND = """
SELECT path, symbol, text, first_line, last_line, bm25(chunks, 3.0, 8.0, 1.0, 1.0) AS rank
FROM chunks WHERE chunks MATCH ? AND path GLOB ? ORDER BY rank LIMIT ?
"""
BUSY_S = 30.0
WORD = re.compile(r"\w+")
CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
QUERY_WORDS_MAX = 50


@dataclass(frozen=True)
class Hit:
    """A chunk that was found; the higher the score the better it fits, within one search."""

    path: str
    chunk: Chunk
    score: float


class Index:
    """The index of one repository, in one file; several processes may have it open."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._store = _opened(file)
        self._store.execute("PRAGMA journal_mode = WAL")
        self._store.execute("PRAGMA synchronous = NORMAL")
        self._store.executescript(SCHEMA)
        self._committed = _opened(file)  # one connection would read what it is amid writing

    def close(self) -> None:
        """Close the file."""
        self._committed.close()
        self._store.close()

    def digests(self) -> dict[str, str]:
        """Return the digest that each file had when it was indexed, by its path."""
        return dict(self._committed.execute("SELECT path, digest FROM files"))

    def put(self, path: str, digest: str, chunks: Sequence[Chunk]) -> None:
        """Put a file in the place of what is known of it, in one step."""
        self._store.execute("BEGIN IMMEDIATE")
        with self._store:
            self._drop(path)
            rows = [self._store.execute(PUT, _row(path, chunk)).lastrowid for chunk in chunks]
            first, last = (rows[0], rows[-1]) if rows else (1, 0)
            self._store.execute(
                "INSERT INTO files VALUES (?, ?, ?, ?)", (path, digest, first, last)
            )

    def drop(self, path: str) -> None:
        """Forget a file."""
        self._store.execute("BEGIN IMMEDIATE")
        with self._store:
            self._drop(path)

    def _drop(self, path: str) -> None:
        rows = self._store.execute("SELECT first_row, last_row FROM files WHERE path = ?", (path,))
        for span in rows.fetchall():
            self._store.execute("DELETE FROM chunks WHERE rowid BETWEEN ? AND ?", span)
        self._store.execute("DELETE FROM files WHERE path = ?", (path,))

    def find(self, query: str, paths: str, limit: int) -> list[Hit]:
        """Return the chunks that fit best; a word that is nowhere costs nothing."""
        words = list(dict.fromkeys(WORD.findall(f"{query} {parts(query)}")))[:QUERY_WORDS_MAX]
        if not words:
            return []
        wanted = " OR ".join(f'"{word}"' for word in words)
        return [
            Hit(path, Chunk(first, last, symbol, text), round(-rank, 3))
            for path, symbol, text, first, last, rank in self._committed.execute(
                FIND, (wanted, paths, limit)
            )
        ]

    def counts(self) -> tuple[int, int]:
        """Return how many files and chunks there are."""
        (files,) = self._committed.execute("SELECT count(*) FROM files").fetchone()
        (chunks,) = self._committed.execute("SELECT count(*) FROM chunks").fetchone()
        return files, chunks


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def _row(path: str, chunk: Chunk) -> tuple[str | int, ...]:
    in_parts = parts(f"{chunk.symbol} {chunk.text}")
    return path, chunk.symbol, chunk.text, in_parts, chunk.first_line, chunk.last_line


def parts(text: str) -> str:
    """Return the parts of the names in camelCase: `parseDocument` gives `parse Document`."""
    names = {word for word in WORD.findall(text) if not word.islower() and not word.isupper()}
    return " ".join(part for name in sorted(names) for part in CAMEL.findall(name))
