"""Which bytes are audio that clients take."""

import pytest

from bridge.formats.audio import AUDIO_BYTES_MAX, audio_type
from tests.images import IMAGES
from tests.sounds import SOUNDS, WAV


@pytest.mark.parametrize("media_type", SOUNDS)
def test_audio_is_known_by_how_it_begins(media_type: str) -> None:
    assert audio_type(SOUNDS[media_type]) == media_type


def test_mp3_is_known_by_its_tags_too() -> None:
    assert audio_type(b"ID3\4\0" + bytes(100)) == "audio/mpeg"


@pytest.mark.parametrize(
    "content",
    [
        *IMAGES.values(),
        b"",
        b"\xff",
        "UTF-16".encode("utf-16-le"),
        b"\xff\xfeU\0T\0F\0",
        b"RIFF\x26\0\0\0AVI ",
        b"\0\0\0\x20ftypisom",
        b"%PDF-1.7",
    ],
)
def test_nothing_else_is(content: bytes) -> None:
    assert audio_type(content) is None


def test_audio_that_is_too_long_is_a_file_like_any_other() -> None:
    assert audio_type(WAV + bytes(AUDIO_BYTES_MAX)) is None
