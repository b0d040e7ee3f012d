"""Audio as clients take it: known by its bytes, and of a size that fits into an answer."""

AUDIO_BYTES_MAX = 3_670_016
"""As much as of an image: no client says how much it takes."""

_STARTS = ((b"ID3", "audio/mpeg"), (b"OggS", "audio/ogg"), (b"fLaC", "audio/flac"))
_MP4_BRANDS = (b"M4A ", b"M4B ")


def audio_type(content: bytes) -> str | None:
    """Return the media type of a WAV, MP3, AAC, Ogg, FLAC or M4A; None for any other content."""
    if len(content) > AUDIO_BYTES_MAX:
        return None
    if content.startswith(b"RIFF") and content[8:12] == b"WAVE":
        return "audio/wav"
    if content[4:8] == b"ftyp" and content[8:12] in _MP4_BRANDS:
        return "audio/mp4"
    started = (kind for start, kind in _STARTS if content.startswith(start))
    return next(started, None) or _frame_type(content[:2])


def _frame_type(head: bytes) -> str | None:
    """Return what an MPEG frame, known by its first eleven bits, holds by the layer behind them.

    Source: ISO/IEC 11172-3, 2.4.1.3; ISO/IEC 13818-7, 6.2 (ADTS has no layer).
    """
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    return {0b01: "audio/mpeg", 0b00: "audio/aac"}.get(head[1] >> 1 & 0b11)
