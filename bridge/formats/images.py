"""Images as models take them: known by their bytes, whole, and of a size that can be looked at."""

import io

import imagesize

IMAGE_BYTES_MAX = 3_670_016
"""In base64 that is less than the 5 MB that Anthropic's Messages API takes for an image."""

SIDE_PIXELS_MAX = 8000
"""Likewise."""

_END_BYTES = 65_536
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png", b"IEND"),
    (b"\xff\xd8\xff", 0, "image/jpeg", b"\xff\xd9"),
    (b"GIF87a", 0, "image/gif", b"\x3b"),
    (b"GIF89a", 0, "image/gif", b"\x3b"),
    (b"WEBP", 8, "image/webp", b""),
)
"""How each begins, and at which byte, and what stands near the end of a whole one."""


def image_type(content: bytes) -> str | None:
    """Return the media type of a PNG, JPEG, GIF or WebP; None for what no model could look at.

    One that is cut off, too long or too large is none: an image that a model cannot take spoils the
    conversation that it comes into.
    """
    if len(content) > IMAGE_BYTES_MAX:
        return None
    begun = (kind for kind in _KINDS if content.startswith(kind[0], kind[1]))
    media_type = next((kind[2] for kind in begun if content.find(kind[3], -_END_BYTES) >= 0), None)
    if media_type == "image/webp" and not _is_whole_riff(content):
        return None
    fits = media_type and all(0 < side <= SIDE_PIXELS_MAX for side in _sides(content))
    return media_type if fits else None


def _is_whole_riff(content: bytes) -> bool:
    after_bytes = int.from_bytes(content[4:8], "little")
    return content.startswith(b"RIFF") and 8 + after_bytes <= len(content)


def _sides(content: bytes) -> tuple[int, int]:
    """Return width and height in pixels, -1 each where the header is none."""
    width, height = imagesize.get(io.BytesIO(content), exif_rotation=False)
    return width, height
