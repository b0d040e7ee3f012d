"""Files that are watched: server files, the Python beneath them, and the file of alerts."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from watchfiles import Change, awatch

SUFFIXES = frozenset({".yaml", ".yml", ".json", ".py"})
CODE = ".py"
OF_CODE = frozenset({CODE, ".lua"})
QUIET_MS = 100
"""How long nothing must change before a change counts: editors write a file in several steps."""
LOOK_MS = 1000
"""How often a look is taken at what the system reports nothing of."""

Stamp = tuple[int, int, int]

logger = logging.getLogger(__name__)
# It counts the changes in lines of its own.
logging.getLogger("watchfiles").setLevel(logging.WARNING)


async def code_changes(*folders: Path) -> AsyncIterator[None]:
    """Yield each time that code of these packages has become other code.

    Where the system watches no more for this user, a look is taken once a second.
    """
    try:
        async for _ in awatch(*folders, watch_filter=_is_code, step=QUIET_MS):
            yield
    except (OSError, RuntimeError) as error:
        _warn(folders[0], error)
    before = _code_in(folders)
    while True:
        await asyncio.sleep(LOOK_MS / 1000)
        now = await asyncio.to_thread(_code_in, folders)
        if now != before:
            before = now
            yield


def changes_at(path: Path, *beside: Path) -> AsyncIterator[None]:
    """Yield each time that server files at `path`, or Python beneath, are others than at this call.

    `path` is a folder or a file, as BRIDGE_SERVERS names it. It may be replaced as a whole, by a
    rename or by another target of a link, or be away for a time. Of files `beside` it nothing that
    lies around them is watched.
    """
    paths = (path, *beside)
    return _changes_since(_stamps(paths), paths)


async def _changes_since(
    before: Mapping[Path, Stamp | None], paths: Sequence[Path]
) -> AsyncIterator[None]:
    async for is_code in _looks(paths[0]):
        now = await asyncio.to_thread(_stamps, paths)
        if is_code or now != before:
            before = now
            yield


async def _looks(path: Path) -> AsyncIterator[bool]:
    """Yield when it is time to look at the files; True where Python has changed.

    The system reports what happens in a folder, and not that its name leads to another one, nor
    what happens to a file elsewhere that a link in it names.
    """
    is_watched = True
    while True:
        folder = _folder_of(path)
        watched = _stamp(folder)
        try:
            async for changes in awatch(
                folder,
                watch_filter=_is_of_interest,
                step=QUIET_MS,
                rust_timeout=LOOK_MS,
                yield_on_timeout=True,
            ):
                is_watched = True
                yield any(change.endswith(CODE) for _, change in changes)
                if _identity(_stamp(folder)) != _identity(watched):
                    break
        except FileNotFoundError:
            await asyncio.sleep(LOOK_MS / 1000)
        except (OSError, RuntimeError) as error:  # its own errors are RuntimeErrors
            if is_watched:
                _warn(folder, error)
            is_watched = False
            await asyncio.sleep(LOOK_MS / 1000)
        yield False


def _warn(folder: Path, why: Exception) -> None:
    logger.warning("files.unwatched", extra={"folder": str(folder), "why": str(why)})


def _folder_of(path: Path) -> Path:
    return path.parent if path.is_file() else path


def _is_of_interest(_change: Change, path: str) -> bool:
    return Path(path).suffix in SUFFIXES


def _is_code(_change: Change, path: str) -> bool:
    return Path(path).suffix in OF_CODE


def _code_in(folders: Sequence[Path]) -> Mapping[Path, Stamp | None]:
    """Return what tells one state of the code from the next."""
    files = (file for folder in folders for file in folder.rglob("*"))
    return {file: _stamp(file) for file in files if file.suffix in OF_CODE}


def _stamps(paths: Sequence[Path]) -> Mapping[Path, Stamp | None]:
    """Return what tells one state of the files from the next; what is away has none."""
    return {file: _stamp(file) for path in paths for file in _files_at(path)}


def _files_at(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return [file for file in path.glob("*") if file.suffix in SUFFIXES]


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _identity(stamp: Stamp | None) -> int | None:
    return stamp and stamp[0]
