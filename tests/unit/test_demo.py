"""The demo is served where no server files are, and only there."""

from pathlib import Path

import pytest

from bridge.authoring.checking.check import check
from bridge.configuration.demo import missing_folder, shipped_file, with_demo

LOOKED_FOR = Path("config", "servers")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_demo_stands_in_for_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert missing_folder({}) == tmp_path / LOOKED_FOR
    assert with_demo({"PATH": "p"}) == {"PATH": "p", "BRIDGE_SERVERS": str(shipped_file())}
    assert check(shipped_file(), {}) == ()


def test_a_folder_that_is_named_is_never_replaced() -> None:
    named = {"BRIDGE_SERVERS": "not/there"}
    assert missing_folder(named) is None
    assert with_demo(named) == named


@pytest.mark.parametrize("what", ["an empty folder", "a link to nothing", "a file", "a file above"])
def test_what_is_in_the_place_of_server_files_is_for_their_reader_to_judge(what: str) -> None:
    LOOKED_FOR.parent.mkdir()
    match what:
        case "an empty folder":
            LOOKED_FOR.mkdir()
        case "a link to nothing":
            LOOKED_FOR.symlink_to("nowhere")
        case "a file":
            LOOKED_FOR.touch()
        case _:
            LOOKED_FOR.parent.rmdir()
            LOOKED_FOR.parent.touch()
    assert missing_folder({}) is None
    assert with_demo({}) == {}
