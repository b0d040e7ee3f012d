"""The text files of a folder that git would look at: what .gitignore names is left out."""

import os
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

FILE_BYTES_MAX = 1_000_000
NUL_WITHIN_BYTES = 8192
Rules = list[tuple[str, GitIgnoreSpec]]


def paths_in(root: Path) -> list[str]:
    """Return the paths of the files, in their order; links are not followed."""
    return sorted(_walk(root, "", []))


def text_in(file: Path) -> str | None:
    """Return the text of a file; None for one that is none, or is too long to be read."""
    if file.stat().st_size > FILE_BYTES_MAX:
        return None
    content = file.read_bytes()
    if b"\0" in content[:NUL_WITHIN_BYTES]:
        return None
    return content.decode("utf-8", "replace")


def _walk(root: Path, folder: str, rules: Rules) -> Iterator[str]:
    """Walk a folder; `folder` is empty or ends with a slash, as each of the rules' does."""
    own = root / folder / ".gitignore"
    if own.is_file() and not own.is_symlink():
        lines = own.read_text("utf-8", "replace").splitlines()
        rules = [(folder, GitIgnoreSpec.from_lines(lines)), *rules]
    with os.scandir(root / folder) as entries:
        for entry in entries:
            path = folder + entry.name
            if entry.is_symlink() or entry.name == ".git":
                continue
            if entry.is_dir() and not _is_ignored(f"{path}/", rules):
                yield from _walk(root, f"{path}/", rules)
            elif entry.is_file() and not _is_ignored(path, rules):
                yield path


def _is_ignored(path: str, rules: Rules) -> bool:
    """Ask the rules from the nearest folder up; the first that has a word on it decides."""
    for folder, spec in rules:
        decided = spec.check_file(path.removeprefix(folder)).include
        if decided is not None:
            return decided
    return False
