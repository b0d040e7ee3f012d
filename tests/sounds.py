"""The beginnings of sounds, of each kind that is told by them."""

WAV = b"RIFF\x26\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\2\0\0\0\0\0"
SOUNDS = {
    "audio/wav": WAV,
    "audio/mpeg": b"\xff\xfb\x90\x64" + bytes(100),
    "audio/aac": b"\xff\xf1\x50\x80" + bytes(100),
    "audio/ogg": b"OggS\0\2" + bytes(100),
    "audio/flac": b"fLaC\0\0\0\x22" + bytes(100),
    "audio/mp4": b"\0\0\0\x20ftypM4A " + bytes(100),
}
