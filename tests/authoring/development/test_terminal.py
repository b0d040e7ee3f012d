"""Keys by what terminals send, and the editor that is asked for."""

import asyncio
from pathlib import Path

import pytest

from bridge.authoring.development.terminal import edited, editor_of, keys_in
from bridge.ending import end
from bridge.errors import ConfigurationError
from tests.processes import is_gone
from tests.waiting import wait_until


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("\x1b[A\x1b[B", ["up", "down"]),
        ("\x1bOAjk", ["up", "down", "up"]),
        ("\x1b", ["back"]),
        ("\r", ["enter"]),
        ("xr\x07q", ["again", "quit"]),
        ("\x1b[H\x1b[3~\x1bOF\x1b[1;5A\x1b[<0;9;9Mj", ["down"]),
    ],
)
def test_keys_are_known_by_what_terminals_send(sent: str, keys: list[str]) -> None:
    assert list(keys_in(sent)) == keys


def test_the_editor_is_the_one_that_the_environment_names() -> None:
    assert editor_of({"EDITOR": "vi", "VISUAL": "code --wait"}) == ["code", "--wait"]
    with pytest.raises(ConfigurationError, match="no editor is named: set EDITOR"):
        editor_of({"EDITOR": " "})
    with pytest.raises(ConfigurationError, match="no editor is named: set EDITOR"):
        editor_of({"EDITOR": "''"})
    with pytest.raises(
        ConfigurationError, match=r"the editor vi 'x is no command \(No closing quot"
    ):
        editor_of({"EDITOR": "vi 'x"})


async def test_an_editor_gets_the_text_and_what_it_saved_comes_back() -> None:
    assert await edited('{"a": "ä"}', ["sed", "-i", "s/ä/b/"]) == b'{"a": "b"}'
    assert await edited('"\ud83d"', ["true"]) == b'"\\ud83d"'


@pytest.mark.parametrize(
    ("editor", "said"),
    [
        ("no-such-editor", "no-such-editor cannot be started: No such file or directory; set EDI"),
        ("false", "false has failed with status 1: nothing is sent"),
        ("rm", "nothing is sent, for the editor has left no file to read: No such file or dir"),
    ],
)
async def test_an_editor_that_does_not_do_is_one_sentence(editor: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await edited("{}", [editor])
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith(said)


async def test_an_editor_that_nobody_waits_for_any_more_ends_before_its_file_goes(
    tmp_path: Path,
) -> None:
    begun = tmp_path / "begun"
    editing = asyncio.create_task(edited("{}", ["sh", "-c", f"echo $$ >{begun}; exec sleep 99"]))
    await wait_until(lambda: begun.exists() and begun.read_text(), "the editor has begun")
    await end(editing)
    await wait_until(lambda: is_gone(int(begun.read_text())), "the editor has ended")
