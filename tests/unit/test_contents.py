"""What a request carries: zipped or not, with files or not, never more than the limit."""

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.contents import read_content, unzip
from bridge.errors import MalformedError, TooLargeError, UnsupportedMediaError
from bridge.multipart import PARTS_MAX, read_form

LIMIT = 10_000
FORM = "multipart/form-data; boundary=limit"


def part(content: bytes, disposition: str, *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers, "", ""]
    return b"--limit\r\n" + "\r\n".join(lines).encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--limit--\r\n"


@given(st.lists(st.binary(max_size=500), max_size=4))
def test_what_was_zipped_comes_out(members: list[bytes]) -> None:
    zipped = b"".join(map(gzip.compress, members or [b""]))

    assert unzip(zipped, LIMIT) == b"".join(members)


def test_a_body_as_long_as_the_limit_is_unzipped() -> None:
    assert len(unzip(gzip.compress(b"x" * LIMIT), LIMIT)) == LIMIT


@pytest.mark.parametrize("size", [LIMIT + 1, 100 * 2**20])
def test_a_bomb_is_not_unzipped(size: int) -> None:
    with pytest.raises(TooLargeError, match="BRIDGE_MAX_BODY_BYTES"):
        unzip(gzip.compress(bytes(size)), LIMIT)


def test_a_bomb_of_many_members_is_not_either() -> None:
    with pytest.raises(TooLargeError):
        unzip(gzip.compress(bytes(LIMIT // 2)) * 3, LIMIT)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", gzip.compress(b"{}")[:-3], gzip.compress(b"{}") + b"more", zlib.compress(b"{}")],
    ids=["nothing", "plain", "cut", "with more behind", "zlib"],  # gzip writes the time
)
def test_what_is_no_gzip_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        unzip(raw, LIMIT)


def test_zipped_json_is_json() -> None:
    headers = {"content-encoding": "GZIP", "content-type": "application/json"}

    assert read_content(gzip.compress(b'{"a": 1}'), headers, LIMIT).payload == {"a": 1}


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "\0"])
def test_another_coding_is_not_supported(coding: str) -> None:
    with pytest.raises(UnsupportedMediaError, match="gzip"):
        read_content(b"{}", {"content-encoding": coding}, LIMIT)


def test_a_form_is_its_fields_and_what_its_files_are() -> None:
    content = form(
        part("tárgy".encode(), 'name="subject"'),
        part(b"a", 'name="tag"'),
        part("szöveg".encode(), 'name="doc"; filename="á.txt"', "Content-Type: text/plain"),
        part(b"\x89PNG\0", 'name="doc"; filename="a.png"', "Content-Type: image/png"),
        part(b"b", 'name="tag"'),
        part(b"", 'name="none"; filename=""'),
    )

    read = read_content(content, {"content-type": FORM}, LIMIT)

    described: list[dict[str, Any]] = [
        {"name": "doc", "filename": "á.txt", "content_type": "text/plain", "size_bytes": 7},
        {"name": "doc", "filename": "a.png", "content_type": "image/png", "size_bytes": 5},
        {"name": "none", "filename": "", "content_type": "application/octet-stream"},
    ]
    described[2]["size_bytes"] = 0
    for number, encoding in enumerate(("text", "base64", "text")):
        described[number] |= {"encoding": encoding, "path": f"/files/{number}"}
    assert read.payload == {"subject": "tárgy", "tag": ["a", "b"], "files": described}
    assert read.files == ("szöveg".encode(), b"\x89PNG\0", b"")
    assert json.loads(read.body.content) == read.payload


def test_a_form_may_be_empty() -> None:
    assert read_form(form(), FORM).payload == {"files": []}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "end is missing"),
        (b"{}", "not a multipart form"),
        (form(part(b"a", 'name="a"'))[:-6], "end is missing"),
        (form(part(b"a", 'name="files"')), "may not be named files"),
        (form(part(b"\xff", 'name="a"')), "a field is not UTF-8 at byte 0"),
        (form(part(b"a", "")), "name"),
        (form(part(b"a", 'name="a"', "Content-Transfer-Encoding: rot13")), "Encoding"),
        (form(*[part(b"", 'name="a"')] * (PARTS_MAX + 1)), "1000 parts"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_what_is_no_form_is_malformed(content: bytes, said: str) -> None:
    with pytest.raises(MalformedError, match=said):
        read_form(content, FORM)


def test_a_form_without_a_boundary_is_malformed() -> None:
    with pytest.raises(MalformedError, match="boundary"):
        read_form(form(), "multipart/form-data")


@given(st.binary(max_size=300), st.binary(max_size=20))
def test_no_bytes_do_worse_than_being_malformed(content: bytes, boundary: bytes) -> None:
    body = b"--limit\r\nContent-Disposition: form-data; " + content
    for content_type in (FORM, f"multipart/form-data; boundary={boundary.decode('latin-1')}"):
        try:
            read_form(body, content_type)
        except MalformedError:
            continue
