"""Pages of files: put together they are the file, and no character is cut in two."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from bridge.formats.file_pages import file_page, page_bytes

CHARS = st.integers(min_value=1, max_value=40)


def pages(content: bytes, chars: int, *, is_text: bool) -> list[str]:
    found: list[str] = []
    offset: int | None = 0
    while offset is not None:
        part = content[offset : offset + page_bytes(chars)]
        page = file_page(part, offset, len(content), is_text=is_text)
        assert page.encoding == ("text" if is_text else "base64")
        found.append(page.text)
        offset = page.next_offset
    return found


@given(st.text(), CHARS)
def test_the_pages_of_a_text_are_the_text(text: str, chars: int) -> None:
    assert "".join(pages(text.encode(), chars, is_text=True)) == text


@given(st.binary(), CHARS)
def test_the_pages_of_other_files_are_the_file(content: bytes, chars: int) -> None:
    found = pages(content, chars, is_text=False)

    assert b"".join(map(base64.b64decode, found)) == content
    assert all(len(page) <= max(chars, 8) for page in found)


def test_an_offset_beyond_the_end_is_the_end() -> None:
    assert file_page(b"", 9, 3, is_text=True).next_offset is None
