"""The smallest images of each kind that models take, a pixel each."""

import base64
import struct
import zlib


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\xff"))
    + _chunk(b"IEND", b"")
)
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
WEBP = base64.b64decode("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
JPEG = (
    b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\1\0H\0H\0\0"
    b"\xff\xdb\0C\0" + b"\xff" * 64 + b"\xff\xc2\0\x0b\x08\0\1\0\1\1\1\x11\0"
    b"\xff\xc4\0\x14\x10\1" + b"\0" * 16 + b"\xff\xda\0\x08\1\1\0\1?\x10\xff\xd9"
)
IMAGES = {"image/png": PNG, "image/gif": GIF, "image/webp": WEBP, "image/jpeg": JPEG}
