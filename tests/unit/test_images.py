"""An image is shown only where a model can take it: whatever its label says, and whole."""

import random

import pytest

from bridge.formats.images import IMAGE_BYTES_MAX, image_type
from tests.images import IMAGES, PNG


@pytest.mark.parametrize("media_type", IMAGES)
def test_an_image_is_known_by_its_bytes(media_type: str) -> None:
    assert image_type(IMAGES[media_type]) == media_type


@pytest.mark.parametrize("media_type", IMAGES)
def test_an_image_that_is_cut_off_or_too_long_is_none(media_type: str) -> None:
    content = IMAGES[media_type]
    assert image_type(content[: len(content) // 2]) is None
    assert image_type(content[:12]) is None
    assert image_type(content + b"\0" * IMAGE_BYTES_MAX) is None


def test_an_image_that_is_too_wide_or_has_no_size_is_none() -> None:
    for width in (0, 8001, 2**31):
        assert image_type(PNG[:16] + width.to_bytes(4, "big") + PNG[20:]) is None


@pytest.mark.parametrize(
    "content", [b"", b"%PDF-1.7", b"GIF89a is a format", b"RIFF0000WEBP", b"\x89PNG\r\n\x1a\nIEND"]
)
def test_what_only_begins_like_an_image_is_none(content: bytes) -> None:
    assert image_type(content) is None


def test_a_broken_image_is_looked_at_without_an_error() -> None:
    chance = random.Random(7)
    for media_type in IMAGES:
        for _ in range(300):
            broken = bytearray(IMAGES[media_type])
            for _ in range(chance.randint(1, 6)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            assert image_type(bytes(broken)) in (None, *IMAGES)
