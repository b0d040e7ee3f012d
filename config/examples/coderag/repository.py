"""The text files of a folder that git would look at: what .gitignore names is left out."""

import os
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore import GitIgnorePatternError

FILE_BYTES_MAX = 1_000_000
NUL_WITHIN_BYTES = 8192
Rules = list[tuple[str, GitIgnoreSpec]]


def paths_in(root: Path) -> list[str]:
    """Return the paths of the files, in their order; links are not followed.

    Left out is what may not be looked into, or is gone meanwhile, and names that are no text.
    """
    return sorted(_walk(root))


def text_in(file: Path) -> str | None:
    """Return the text of a file; None for one that is none, or is too long to be read."""
    if file.stat().st_size > FILE_BYTES_MAX:
        return None
    content = file.read_bytes()
    if b"\0" in content[:NUL_WITHIN_BYTES]:
        return None
    return content.decode("utf-8-sig", "replace")


def _walk(root: Path) -> Iterator[str]:
    """Walk the folders; the path of each is empty or ends with a slash, as in its rules."""
    waiting: list[tuple[str, Rules]] = [("", [])]
    while waiting:
        folder, rules = waiting.pop()
        try:
            rules = _own_rules(root, folder) + rules
            with os.scandir(root / folder) as listing:
                entries = [entry for entry in listing if not entry.is_symlink()]
        except OSError:
            continue
        for entry in entries:
            path = folder + entry.name
            if entry.name == ".git" or not _is_text(path):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting += [] if _is_ignored(f"{path}/", rules) else [(f"{path}/", rules)]
            elif entry.is_file(follow_symlinks=False) and not _is_ignored(path, rules):
                yield path


def _own_rules(root: Path, folder: str) -> Rules:
    """Return the rules of a folder, without lines that are none, as git reads them."""
    own = root / folder / ".gitignore"
    if not own.is_file() or own.is_symlink():
        return []
    lines = own.read_text("utf-8", "replace").splitlines()
    return [(folder, GitIgnoreSpec.from_lines(filter(_is_rule, lines)))]


def _is_rule(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except GitIgnorePatternError:
        return False
    return True


def _is_text(path: str) -> bool:
    """Report whether a path is in UTF-8: any other can be neither indexed nor cited."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_ignored(path: str, rules: Rules) -> bool:
    """Ask the rules from the nearest folder up; the first that has a word on it decides."""
    for folder, spec in rules:
        decided = spec.check_file(path.removeprefix(folder)).include
        if decided is not None:
            return decided
    return False
