"""What a request carries: zipped or not, with files or not, never more than the limit."""

import asyncio
import gzip
import json
import threading
import zlib
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import MalformedError, NumberError, TooLargeError, UnsupportedMediaError
from bridge.formats.bodies import MEMBERS_MAX, decoded, unzip
from bridge.formats.json_text import LONG_BYTES, off_loop
from bridge.formats.multipart import PARTS_MAX, read_form
from bridge.formats.payloads import Content, inner_json, read_content

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


async def test_zipped_json_is_json() -> None:
    headers = {"content-encoding": "GZIP", "content-type": "application/json"}

    assert (await read_content(gzip.compress(b'{"a": 1}'), headers, LIMIT)).payload == {"a": 1}


@pytest.mark.parametrize("coding", ["", "identity", "UTF-8", "utf8, identity", " , "])
async def test_a_coding_that_changes_nothing_is_passed_over(coding: str) -> None:
    assert (await read_content(b'{"a": 1}', {"content-encoding": coding}, LIMIT)).payload == {
        "a": 1
    }


BARE = zlib.compressobj(wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize("raw", [zlib.compress(b"1"), BARE.compress(b"1") + BARE.flush()])
async def test_deflate_is_read_with_its_frame_and_without(raw: bytes) -> None:
    headers = {"content-encoding": "deflate"}

    assert (await read_content(raw, headers, LIMIT)).payload == 1
    for wrong in (raw[:-1], raw + b"x"):
        with pytest.raises(MalformedError):
            await read_content(wrong, headers, LIMIT)
    with pytest.raises(TooLargeError):
        await read_content(zlib.compress(bytes(LIMIT + 1)), headers, LIMIT)


def test_gzip_of_many_members_is_given_up_after_a_thousand() -> None:
    empty = gzip.compress(b"")

    assert unzip(empty * MEMBERS_MAX, LIMIT) == b""
    with pytest.raises(MalformedError, match=f"more than {MEMBERS_MAX} members"):
        unzip(empty * 200_000, LIMIT)


async def test_the_event_loop_runs_on_while_a_body_is_unzipped() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    zipped = gzip.compress(bytes(16 * 2**20))
    with pytest.raises(TooLargeError):
        await decoded(zipped, "gzip", 16 * 2**20 - 1)
    turning.cancel()
    assert turns > 1


async def turns_while(reading: Awaitable[Content]) -> int:
    """Count how often the event loop gets its turn until a body was read."""
    reader = asyncio.ensure_future(reading)
    turns = 0
    while not reader.done():
        turns += 1
        await asyncio.sleep(0)
    await reader
    return turns


async def test_the_event_loop_runs_on_while_long_json_is_read() -> None:
    """Where all of it is read in C, the loop has its turns before and after only."""
    row = {"id": 12345, "name": "a" * 20, "price": 9.99, "notes": [None, True, "b"]}
    json_type = {"content-type": "application/json"}
    for rows, is_long in ((10, False), (20_000, True)):
        raw = json.dumps([row] * rows).encode()
        assert (len(raw) > LONG_BYTES) == is_long
        turns = await turns_while(read_content(raw, json_type, len(raw)))
        assert turns > 20 if is_long else turns < 5


async def test_long_texts_are_read_one_at_a_time() -> None:
    running: list[str] = []
    most = 0

    def read() -> str:
        nonlocal most
        running.append(threading.current_thread().name)
        most = max(most, len(running))
        json.loads("[" + "1," * 100_000 + "1]")
        return running.pop()

    where = await asyncio.gather(*(off_loop(LONG_BYTES + 1, read) for _ in range(5)))
    assert most == 1
    assert threading.current_thread().name not in where
    assert await off_loop(LONG_BYTES, read) == threading.current_thread().name


async def test_the_event_loop_runs_on_while_a_long_form_is_read() -> None:
    long = b"%zz%" * 500_000
    reading = asyncio.create_task(
        read_content(long, {"content-type": "application/x-www-form-urlencoded"}, len(long))
    )
    turns = 0
    while not reading.done():
        turns += 1
        await asyncio.sleep(0)
    assert (await reading).payload == {long.decode(): ""}
    assert turns > 5


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "\0"])
async def test_another_coding_is_not_supported(coding: str) -> None:
    with pytest.raises(UnsupportedMediaError, match="gzip"):
        await read_content(b"{}", {"content-encoding": coding}, LIMIT)


async def test_a_form_is_its_fields_and_what_its_files_are() -> None:
    content = form(
        part("tárgy".encode(), 'name="subject"'),
        part(b"a", 'name="tag"'),
        part("szöveg".encode(), 'name="doc"; filename="á.txt"', "Content-Type: text/plain"),
        part(b"\x89PNG\0", 'name="doc"; filename="a.png"', "Content-Type: image/png"),
        part(b"b", 'name="tag"'),
        part(b"", 'name="none"; filename=""'),
    )

    read = await read_content(content, {"content-type": FORM}, LIMIT)

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


@pytest.mark.parametrize(
    "parts",
    [
        [part(b"Gr\xfc\xdfe \x80", 'name="text"')],
        [
            part(b'{"text": "windows-1252", "to": "UTF-8"}', 'name="charsets"'),
            part(b"Gr\xfc\xdfe \x80", 'name="text"'),
            part("é".encode(), 'name="to"'),
        ],
        [
            part(
                "Grüße €".encode("utf-16"), 'name="text"', "Content-Type: text/html; charset=utf-16"
            )
        ],
        [
            part(b"iso-8859-15", 'name="_charset_"'),
            part(b"Gr\xfc\xdfe \xa4", 'name="text"'),
        ],
    ],
    ids=["no label", "SendGrid", "its own label", "_charset_"],
)
async def test_fields_are_read_in_the_charset_that_the_form_names(parts: list[bytes]) -> None:
    read = await read_content(form(*parts), {"content-type": FORM}, LIMIT)

    assert isinstance(read.payload, dict)
    assert read.payload["text"] == "Grüße €"
    assert "\ufffd" not in json.dumps(read.payload, ensure_ascii=False)


def test_half_of_an_emoji_in_a_part_is_the_replacement_character() -> None:
    halves = b"a\xed\xa0\xbd \xed\xa0\xbd\xed\xb8\x80"
    payload = read_form(form(part(halves, 'name="text"')), FORM).payload
    assert payload["text"] == "a\ufffd \N{GRINNING FACE}"


@pytest.mark.parametrize("told", [b"no JSON", b"7", b'{"text": 7}'])
def test_charsets_that_say_nothing_of_a_field_leave_it_as_it_is(told: bytes) -> None:
    content = form(part(told, 'name="charsets"'), part("é".encode(), 'name="text"'))
    assert read_form(content, FORM).payload["text"] == "é"


INNER = b'{"action": "opened"}'


@pytest.mark.parametrize(
    ("parts", "payload"),
    [
        ([part(INNER, 'name="payload"')], {"action": "opened"}),
        ([part(b"[1]", 'name="payload"')], [1]),
        ([part(b"7", 'name="payload"')], None),
        ([part(b"no JSON", 'name="payload"')], None),
        ([part(b"7e999", 'name="payload"')], None),
        ([part(INNER, 'name="other"')], None),
        ([part(b"[1]", 'name="payload"'), part(b"x", 'name="f"; filename="f"')], None),
        ([part(b'{"files": 1}', 'name="payload"'), part(b"x", 'name="f"; filename="f"')], None),
    ],
)
async def test_json_in_the_field_of_a_form_is_found(parts: list[bytes], payload: object) -> None:
    read = inner_json(await read_content(form(*parts), {"content-type": FORM}, LIMIT))
    assert (read and read.payload) == payload


async def test_files_stay_beside_the_json_that_came_in_a_field_with_them() -> None:
    sent = form(part(INNER, 'name="payload"'), part(b"x", 'name="f"; filename="f"'))
    content = await read_content(sent, {"content-type": FORM}, LIMIT)
    read = inner_json(content)
    assert read
    assert isinstance(content.payload, dict)
    assert read.payload == {"action": "opened", "files": content.payload["files"]}
    assert json.loads(read.body.content) == read.payload
    assert read.files == content.files == (b"x",)


async def test_a_number_that_no_double_holds_in_a_field_is_named_with_its_place() -> None:
    sent = form(part(b'{"n": 1e999}', 'name="payload"'))
    content = await read_content(sent, {"content-type": FORM}, LIMIT)
    with pytest.raises(NumberError):
        inner_json(content)


def test_a_form_may_be_empty() -> None:
    assert read_form(form(), FORM).payload == {"files": []}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "end is missing"),
        (b"{}", "not a multipart form"),
        (form(part(b"a", 'name="a"'))[:-6], "end is missing"),
        (form(part(b"a", 'name="files"')), "may not be named files"),
        (form(part(b"\x81", 'name="a"')), "the field 'a' is not UTF-8 at byte 0"),
        (
            form(part(b"\xff", 'name="a"', "Content-Type: text/plain; charset=utf-8")),
            "the field 'a' is not UTF-8 at byte 0",
        ),
        (form(part(b"a", "")), "name"),
        (form(part(b"a", 'name="a"', "Content-Transfer-Encoding: rot13")), "Encoding"),
        (form(*[part(b"", 'name="a"')] * (PARTS_MAX + 1)), "1000 parts"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_what_is_no_form_is_malformed(content: bytes, said: str) -> None:
    with pytest.raises(MalformedError, match=said):
        read_form(content, FORM)


@pytest.mark.parametrize("disposition", ['name="f"', "name=\"f\"; filename*=UTF-8''a.png"])
def test_a_part_of_another_type_that_is_no_text_is_a_file_without_a_name(disposition: str) -> None:
    image = b"\x89PNG\r\n\x1a\n\0\xff"

    read = read_form(form(part(image, disposition, "Content-Type: image/png")), FORM)

    assert read.files == (image,)
    assert read.payload["files"] == [
        {
            "name": "f",
            "filename": "",
            "content_type": "image/png",
            "size_bytes": len(image),
            "encoding": "base64",
            "path": "/files/0",
        }
    ]


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/octet-stream"])
def test_a_part_without_a_filename_that_is_text_is_a_field(kind: str) -> None:
    read = read_form(form(part(b"{}", 'name="f"', f"Content-Type: {kind}")), FORM)

    assert read.payload == {"f": "{}", "files": []}


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (form(part(b"\x89PNG\r\n\x1a\n\0\xff", 'name="f"')), FORM),
        (b"f=%89PNG%0D%0A%1A%0A%00%FF", "application/x-www-form-urlencoded"),
    ],
)
async def test_bytes_that_are_no_text_do_not_become_letters(
    content: bytes, content_type: str
) -> None:
    with pytest.raises(MalformedError, match="the field 'f' is not UTF-8 at byte 0"):
        await read_content(content, {"content-type": content_type}, LIMIT)


async def test_a_byte_order_mark_before_a_form_is_no_part_of_it() -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}

    assert (await read_content(b"\xef\xbb\xbfa=1", headers, LIMIT)).payload == {"a": "1"}
    with pytest.raises(MalformedError, match="JSON labelled as a form"):
        await read_content(b'\xef\xbb\xbf{"a":1}', headers, LIMIT)


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
