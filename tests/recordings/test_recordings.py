"""What the docs show of the commands is what those commands are, and nothing of a machine."""

import re
import shlex
import socket
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest

import bridge.__main__  # noqa: F401 - it adds the workers' command to ours
from bridge.cli.main import commands
from tests.recordings.__main__ import FOLDER
from tests.recordings.cast import OF_A_MACHINE, Cast, Moment
from tests.recordings.picture import svg
from tests.recordings.scenes import ANSWERS, SCENES
from tests.recordings.terminal import READ_REPORT_S

PAGE = FOLDER.with_suffix(".md").read_text()


@pytest.mark.parametrize("name", SCENES)
def test_a_recording_can_be_read_and_shows_nothing_of_a_machine(name: str) -> None:
    cast = Cast.read(FOLDER / f"{name}.cast")

    assert cast.scrubbed() == cast
    assert not OF_A_MACHINE.search(cast.shown)
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", cast.shown)


@pytest.mark.parametrize("name", SCENES)
def test_the_picture_is_that_of_the_recording_and_on_the_page(name: str) -> None:
    drawn = (FOLDER / f"{name}.svg").read_text()

    assert svg(Cast.read(FOLDER / f"{name}.cast")) == drawn
    assert ET.fromstring(drawn).tag.endswith("svg")
    assert f"](recordings/{name}.svg)" in PAGE
    assert f"](recordings/{name}.cast)" in PAGE


@pytest.mark.parametrize("name", SCENES)
def test_every_command_that_is_typed_is_one_that_there_is(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ANSWERS).touch()
    typed = Cast.read(FOLDER / f"{name}.cast").typed
    lines = [shlex.split(line)[1:] for line in typed if line.startswith("n8n-bridge ")]
    assert lines[0][0] == name
    for line in lines:
        of_all = click.Context(commands)
        command, found, words = commands.resolve_command(of_all, line)
        assert found is not None
        found.make_context(command, words, parent=of_all)


def test_no_wait_is_longer_than_it_takes_to_read_a_screen() -> None:
    moments = [Moment(0.5, "o", "a"), Moment(90.5, "o", "b"), Moment(91.5, "i", "c")]
    cast = Cast("of a test", 80, 24, moments).shortened(4)

    assert [each.at_s for each in cast.moments] == [0.5, 4.5, 5.5]
    for name in SCENES:
        read = Cast.read(FOLDER / f"{name}.cast")
        assert read.shortened(READ_REPORT_S + 0.1) == read


def test_a_token_is_made_unreadable_where_it_stands_and_a_path_refused() -> None:
    moments = [Moment(0.0, "o", "token 0123456789abcdef"), Moment(1.0, "o", "0123456789abcdef")]
    cast = Cast("of a test", 80, 24, moments)

    assert [each.text for each in cast.scrubbed().moments] == ["token " + "x" * 16, "x" * 16]

    cast.moments.append(Moment(2.0, "o", "in /tmp/tmpabc/support"))
    with pytest.raises(ValueError, match="path of this machine"):
        cast.scrubbed()
