"""The example coderag: a repository is found again by words, and cited by lines."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from itertools import starmap
from pathlib import Path

import pytest

from bridge.handlers import Failure
from coderag.chunks import LINES_MAX, Chunk, chunks_of
from coderag.handlers import read_chunk, refresh_index, search_code, shutdown, startup
from coderag.index import Index
from coderag.repository import paths_in
from tests.examples.conftest import KeptContext

PYTHON = '''"""Berths."""

import enum

FREE = 3


class Berth:
    """A place."""

    length_m = 200

    @property
    def is_free(self) -> bool:
        return True

    def close(self):
        pass


def assign_berth(ship):
    """Find a berth for a ship."""
    return Berth()


print("done")
'''


@pytest.fixture
async def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Open an index of a small repository."""
    root = tmp_path / "harbour"
    root.mkdir()
    (root / "berths.py").write_text(PYTHON)
    (root / "README.md").write_text("# Harbour\n\nShips come.\n\n## Tides\n\nMind the low water.\n")
    monkeypatch.setenv("CODERAG_REPOSITORY", str(root))
    monkeypatch.setenv("CODERAG_INDEX", str(tmp_path / "index" / "harbour.sqlite3"))
    await startup()
    yield root
    await shutdown()


def cut(path: str, text: str) -> list[tuple[int, int, str]]:
    return [(chunk.first_line, chunk.last_line, chunk.symbol) for chunk in chunks_of(path, text)]


def test_python_is_cut_at_functions_classes_and_methods() -> None:
    assert cut("a.py", PYTHON) == [
        (1, 7, ""),
        (8, 12, "Berth"),
        (13, 15, "Berth.is_free"),
        (17, 18, "Berth.close"),
        (21, 23, "assign_berth"),
        (24, 26, ""),
    ]


def test_markdown_is_cut_at_headings_and_not_at_comments_in_code() -> None:
    text = "# One\ntext\n```sh\n# no heading\n```\n## Two\nmore\n"
    assert cut("a.md", text) == [(1, 5, "One"), (6, 7, "Two")]


@pytest.mark.parametrize(
    ("path", "line", "symbol"),
    [
        ("a.ts", "export async function readTide(port: string) {", "readTide"),
        ("a.js", "const tides = require('./tides')", "tides"),
        ("a.go", "func (h *Harbour) Open() error {", "Open"),
        ("a.rs", "pub(crate) struct Berth {", "Berth"),
        ("a.java", "public abstract class Berth {", "Berth"),
        ("a.rb", "def assign_berth(ship)", "assign_berth"),
        ("broken.py", "def assign_berth(ship:", "assign_berth"),
    ],
)
def test_other_languages_are_cut_at_declarations(path: str, line: str, symbol: str) -> None:
    assert cut(path, f"first\n{line}\n  more\n") == [(1, 1, ""), (2, 3, symbol)]


def test_long_chunks_are_cut_at_blank_lines_where_there_are_any() -> None:
    text = "\n".join(["x"] * 70 + [""] + ["y"] * 200)
    assert cut("a.txt", text) == [(1, 70, ""), (71, 150, ""), (151, 230, ""), (231, 271, "")]
    assert all(last - first < LINES_MAX for first, last, _ in cut("a.txt", text))


def test_files_are_those_that_git_would_add(tmp_path: Path) -> None:
    files = {
        ".gitignore": "*.log\n/build/\n!keep.log\ncache\n",
        "a.py": "",
        "a.log": "",
        "keep.log": "",
        "build/out.py": "",
        "src/build/in.py": "",
        "src/.gitignore": "!a.log\nlocal.py\n",
        "src/a.log": "",
        "src/local.py": "",
        "src/cache/x": "",
        "local.py": "",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    listed = subprocess.run(
        [*git, "ls-files", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert paths_in(tmp_path) == sorted(path for path in listed if path != "link.py")
    assert "src/a.log" in listed


async def test_a_function_is_found_by_its_name_its_words_and_its_parts(
    repository: Path, ctx: KeptContext
) -> None:
    await refresh_index(ctx)
    found = (await search_code("berths")).found
    for query in ("assign_berth", "assigning berths to ships", "assignBerth", "find berth ship"):
        found = (await search_code(query)).found
        assert found[0].citation == "berths.py:21-23", query
    assert found[0].symbol == "assign_berth"
    assert found[0].excerpt.startswith("21: def assign_berth(ship):\n22:     ")
    assert [hit.citation for hit in (await search_code("low water")).found] == ["README.md:5-7"]
    assert (await search_code("berth", paths="*.md")).found == []
    assert (await search_code("!!!")).found == []
    assert (await search_code('" OR NEAR( *')).found == []


async def test_names_in_camel_case_are_found_by_their_parts(
    repository: Path, ctx: KeptContext
) -> None:
    (repository / "tides.js").write_text("function readTideTable(port) {\n  return load(port)\n}\n")
    await refresh_index(ctx)
    assert (await search_code("tide table")).found[0].symbol == "readTideTable"


async def test_a_citation_is_read_with_lines_around_it(repository: Path, ctx: KeptContext) -> None:
    await refresh_index(ctx)
    cited = await read_chunk("berths.py:21-23")
    assert cited.text.splitlines() == PYTHON.splitlines()[20:23]
    assert cited.lines_total == 26
    assert (await read_chunk("berths.py:21", around=1)).citation == "berths.py:20-22"


async def test_only_what_has_changed_is_indexed_anew(repository: Path, ctx: KeptContext) -> None:
    state = await refresh_index(ctx)
    assert (state.changed, state.files) == (["README.md", "berths.py"], 2)
    assert ctx.reported == [(0.5, "1 of 2 files"), (1.0, "2 of 2 files")]
    assert (await refresh_index(ctx)).changed == []

    (repository / "README.md").unlink()
    (repository / "berths.py").write_text("def moor():\n    pass\n")
    state = await refresh_index(ctx)
    assert (state.changed, state.removed) == (["berths.py"], ["README.md"])
    assert (state.files, state.chunks) == (1, 1)
    assert (await search_code("assign_berth ships")).found == []
    assert (await search_code("moor")).found[0].citation == "berths.py:1-2"


async def test_the_index_stays_when_its_process_is_started_anew(
    repository: Path, ctx: KeptContext
) -> None:
    await refresh_index(ctx)
    await shutdown()
    await startup()
    assert (await search_code("assign_berth")).found
    assert (await refresh_index(ctx)).changed == []


async def test_two_refreshes_at_once_are_done_one_after_the_other(
    repository: Path, ctx: KeptContext
) -> None:
    first, second = await asyncio.gather(refresh_index(ctx), refresh_index(KeptContext()))
    assert (len(first.changed), len(second.changed)) == (2, 0)


def test_several_processes_may_write_into_one_index(tmp_path: Path) -> None:
    def written(name: str) -> None:
        index = Index(tmp_path / "shared.sqlite3")
        for number in range(40):
            index.put(f"{name}/{number}", "digest", [Chunk(1, 1, "", f"ship {number}")])
        index.close()

    with ThreadPoolExecutor() as pool:
        list(pool.map(written, ("a", "b", "c")))
    index = Index(tmp_path / "shared.sqlite3")
    assert index.counts() == (120, 120)
    assert len(index.find("ship", "b/*", 50)) == 40
    index.close()


async def test_what_is_no_text_is_known_and_found_by_nothing(
    repository: Path, ctx: KeptContext
) -> None:
    (repository / "ship.png").write_bytes(b"\x89PNG\0ship")
    (repository / "long.txt").write_text("ship " * 300_000)
    assert (await refresh_index(ctx)).files == 4
    assert {hit.citation.partition(":")[0] for hit in (await search_code("ship")).found} == {
        "README.md",
        "berths.py",
    }
    with pytest.raises(Failure, match=r"ship\.png has no lines: it is empty, too long or no text"):
        await read_chunk("ship.png:1")


async def test_a_byte_order_mark_is_no_part_of_the_first_line(
    repository: Path, ctx: KeptContext
) -> None:
    (repository / "mooring.py").write_text("\ufeffdef moor() -> None: ...\n")
    await refresh_index(ctx)
    (found,) = (await search_code("moor")).found
    assert found.symbol == "moor"
    assert (await read_chunk(found.citation)).text == "def moor() -> None: ..."


async def test_a_search_before_the_first_refresh_says_what_to_do(repository: Path) -> None:
    with pytest.raises(Failure, match="nothing is indexed yet: call refresh_index first"):
        await search_code("berth")


async def test_lines_that_have_changed_are_not_read_as_if_they_had_not(
    repository: Path, ctx: KeptContext
) -> None:
    await refresh_index(ctx)
    (repository / "berths.py").write_text("# moved\n" + PYTHON)
    with pytest.raises(Failure, match="changed since it was indexed: call refresh_index"):
        await read_chunk("berths.py:21-23")
    (repository / "berths.py").unlink()
    with pytest.raises(Failure, match="changed since it was indexed"):
        await read_chunk("berths.py:21-23")


@pytest.mark.parametrize(
    ("citation", "why"),
    [
        ("berths.py", "is no citation: write file:first-last"),
        ("berths.py:0-3", "has the lines 1 to 26"),
        ("berths.py:20-30", "has the lines 1 to 26"),
        ("berths.py:5-4", "has the lines 1 to 26"),
        ("../index/harbour.sqlite3:1-2", "is not in the index"),
        ("/etc/passwd:1", "is not in the index"),
    ],
)
async def test_only_lines_of_indexed_files_are_read(
    repository: Path, ctx: KeptContext, citation: str, why: str
) -> None:
    await refresh_index(ctx)
    with pytest.raises(Failure, match=why):
        await read_chunk(citation)


async def test_a_repository_that_is_gone_is_told(repository: Path, ctx: KeptContext) -> None:
    repository.rename(repository.with_name("elsewhere"))
    with pytest.raises(Failure, match="the repository is gone"):
        await refresh_index(ctx)


async def test_an_odd_name_rule_or_folder_spoils_no_refresh(
    repository: Path, ctx: KeptContext
) -> None:
    Path(os.fsdecode(os.fsencode(repository) + b"/b\xff.py")).write_text("odd = 1")
    (repository / ".gitignore").write_text("!\n*.log\n")
    (repository / "a\nb.py").write_text("zebra = 1")
    (repository / "shut").mkdir(mode=0o000)
    state = await refresh_index(ctx)
    assert state.changed == [".gitignore", "README.md", "a\nb.py", "berths.py"]
    [hit] = (await search_code("zebra")).found
    assert (await read_chunk(hit.citation)).text == "zebra = 1"


def test_a_search_never_finds_a_file_half_written(tmp_path: Path) -> None:
    index = Index(tmp_path / "index.sqlite3")
    chunks = [Chunk(line, line, "", f"word{line} zebra") for line in range(1, 2000)]
    index.put("a.py", "digest", chunks)
    with ThreadPoolExecutor() as pool:
        again = ("a.py", "digest", chunks)
        puts = pool.submit(lambda: list(starmap(index.put, [again] * 5)))
        looks = 0
        while not puts.done():
            assert len(index.find("zebra", "*", 2000)) == 1999
            looks += 1
    assert looks > 5
    assert puts.result()
    index.close()
