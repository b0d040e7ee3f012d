"""Keys by what terminals send, and the editor that is asked for."""

import pytest

from bridge.authoring.development.terminal import edited, editor_of, keys_in
from bridge.errors import ConfigurationError


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("\x1b[A\x1b[B", ["up", "down"]),
        ("\x1bOAjk", ["up", "down", "up"]),
        ("\x1b", ["back"]),
        ("\r", ["enter"]),
        ("xr\x07q", ["again", "quit"]),
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
