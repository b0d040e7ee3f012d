"""Server files are watched through all the ways in which files and folders are replaced."""

import asyncio
import contextlib
import logging
import os
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from bridge.ending import end
from bridge.local.file_changes import changes_at, code_changes
from tests.waiting import wait_until

IN_TIME_S = 10.0


class Watched:
    """Counts the changes at a path."""

    def __init__(self) -> None:
        self.times = 0
        self._changed = asyncio.Condition()

    async def count(self, changes: AsyncIterator[None]) -> None:
        async for _ in changes:
            async with self._changed:
                self.times += 1
                self._changed.notify_all()

    async def after(self, change: Callable[[], object]) -> int:
        """Make a change, wait until it is seen, and return how many were seen for it."""
        before = self.times
        change()
        async with asyncio.timeout(IN_TIME_S), self._changed:
            await self._changed.wait_for(lambda: self.times > before)
        return self.times - before


@contextlib.asynccontextmanager
async def watching(*paths: Path) -> AsyncIterator[Watched]:
    watched = Watched()
    counting = asyncio.create_task(watched.count(changes_at(*paths)))
    try:
        yield watched
        assert not counting.done()
    finally:
        await end(counting)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    servers = tmp_path / "servers"
    (servers / "desk").mkdir(parents=True)
    (servers / "desk.yaml").write_text("name: desk\n")
    return servers


async def test_files_that_are_written_replaced_added_and_removed_are_changes(folder: Path) -> None:
    file, new = folder / "desk.yaml", folder / "other.json"
    async with watching(folder) as watched:
        await watched.after(lambda: file.write_text("name: desk\ntitle: Desk\n"))
        (folder / ".desk").write_text("name: desk\ntitle: Another\n")
        await watched.after(lambda: (folder / ".desk").replace(file))
        await watched.after(lambda: new.write_text('{"name": "other"}'))
        await watched.after(new.unlink)


async def test_python_beneath_is_a_change_and_nothing_else_is(folder: Path) -> None:
    async with watching(folder) as watched:
        await watched.after(lambda: (folder / "desk.yaml").write_text("name: another\n"))
        (folder / "desk" / "__pycache__").mkdir()
        (folder / "desk" / "__pycache__" / "handlers.pyc").write_text("")
        (folder / ".desk.yaml.swp").write_text("")
        (folder / "notes.md").write_text("")
        assert await watched.after((folder / "desk" / "handlers.py").touch) == 1


async def test_a_folder_that_is_replaced_is_watched_on(folder: Path) -> None:
    other = folder.with_name("other")
    other.mkdir()
    (other / "desk.yaml").write_text("name: desk\n")

    def replace() -> None:
        folder.rename(folder.with_name("old"))
        other.rename(folder)

    async with watching(folder) as watched:
        await watched.after(replace)
        await watched.after(lambda: (folder / "more.yaml").write_text("name: more\n"))
        await watched.after(lambda: folder.rename(other))
        await watched.after(lambda: other.rename(folder))


def release(folder: Path, name: str, text: str) -> Path:
    made = folder / name
    made.mkdir()
    (made / "desk.yaml").write_text(text)
    return made


def lead(link: Path, target: str) -> None:
    """Have a link lead elsewhere in one step."""
    (link.parent / "next").symlink_to(target)
    (link.parent / "next").rename(link)


async def test_a_link_to_the_folder_that_leads_elsewhere_is_a_change(tmp_path: Path) -> None:
    for number in (1, 2):
        release(tmp_path, f"release-{number}", "name: desk\n")
    lead(tmp_path / "servers", "release-1")
    async with watching(tmp_path / "servers") as watched:
        await watched.after(lambda: lead(tmp_path / "servers", "release-2"))
        file = tmp_path / "release-2" / "desk.yaml"
        await watched.after(lambda: file.write_text("name: another\n"))


async def test_a_config_map_of_kubernetes_is_a_change_as_it_is_swapped(tmp_path: Path) -> None:
    # Kubernetes mounts files as links through `..data`, and has that lead to a new folder.
    release(tmp_path, "..2026_1", "name: desk\n")
    release(tmp_path, "..2026_2", "name: desk\ntitle: Desk\n")
    lead(tmp_path / "..data", "..2026_1")
    (tmp_path / "desk.yaml").symlink_to("..data/desk.yaml")
    async with watching(tmp_path) as watched:
        await watched.after(lambda: lead(tmp_path / "..data", "..2026_2"))


async def test_one_file_is_watched_and_not_what_lies_beside_it(folder: Path) -> None:
    file = folder / "desk.yaml"
    async with watching(file) as watched:
        (folder / "other.yaml").write_text("name: other\n")
        (folder / "new").write_text("name: desk\ntitle: Desk\n")
        assert await watched.after(lambda: (folder / "new").replace(file)) == 1


async def test_one_file_is_watched_whatever_it_is_called(tmp_path: Path) -> None:
    file = tmp_path / "answers.txt"
    file.write_text("answers: []\n")
    async with watching(file) as watched:
        await watched.after(lambda: file.write_text("otherwise: leave\n"))


async def test_a_file_elsewhere_is_watched_beside_a_folder_also_while_it_is_away(
    folder: Path, tmp_path: Path
) -> None:
    alerts, link = tmp_path / "elsewhere" / "alerts", tmp_path / "alerts.yaml"
    link.symlink_to(alerts)
    async with watching(folder, link) as watched:
        await watched.after(lambda: (folder / "desk.yaml").write_text("name: another\n"))
        alerts.parent.mkdir()
        await watched.after(lambda: alerts.write_text("alerts: {}\n"))
        (alerts.parent / "module.py").touch()
        assert await watched.after(alerts.unlink) == 1


async def test_code_is_watched_where_the_system_watches_nothing_more(folder: Path) -> None:
    code = folder / "desk" / "handlers.py"
    code.write_text("one = 1\n")
    with no_more_files_until_a_warning() as warned:
        changed = asyncio.ensure_future(anext(code_changes(folder)))
        await wait_until(lambda: warned, "it says that it does not watch")
    code.write_text("two = 2\n")
    async with asyncio.timeout(IN_TIME_S):
        await changed


@contextlib.contextmanager
def no_more_files_until_a_warning() -> Iterator[list[str]]:
    """Have this process open no more files, as where too many are watched, until it says so."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    warned: list[str] = []

    class Warned(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))
            warned.append(record.getMessage())

    logger, handler = logging.getLogger("bridge.local.file_changes"), Warned()
    logger.addHandler(handler)
    next_file = os.dup(0)
    os.close(next_file)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_file, most))
    try:
        yield warned
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))
        logger.removeHandler(handler)
