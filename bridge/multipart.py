"""Multipart forms: their fields, and the files that come with them."""

import json
from dataclasses import dataclass
from io import BytesIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, MultipartState, parse_options_header

from bridge.errors import MalformedError
from bridge.models import Body, Json

MEDIA_TYPE = "multipart/form-data"
PARTS_MAX = 1000
FILES = "files"


@dataclass(frozen=True)
class Form:
    """A form: `payload` has its fields by name, and under `files` what each file is."""

    payload: dict[str, Json]
    files: tuple[bytes, ...]

    @property
    def body(self) -> Body:
        """Give the payload as it is kept."""
        return Body(json.dumps(self.payload).encode(), MEDIA_TYPE)


def read_form(content: bytes, content_type: str) -> Form:
    """Read a body of `multipart/form-data`.

    Raises:
        MalformedError: it is none, is cut off, or has more than PARTS_MAX parts.

    Source: RFC 7578.
    """
    parts: list[Field | File] = []

    def keep(part: Field | File) -> None:
        if len(parts) == PARTS_MAX:
            raise MalformedError(f"the form has more than {PARTS_MAX} parts")
        parts.append(part)

    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise MalformedError("not a multipart form: its Content-Type names no boundary")
    in_memory = {"MAX_MEMORY_FILE_SIZE": len(content), "UPLOAD_ERROR_ON_BAD_CTE": True}
    try:
        parser = FormParser(MEDIA_TYPE, keep, keep, boundary=boundary, config=in_memory)
        parser.write(content)
        parser.finalize()
    except FormParserError as error:
        raise MalformedError(f"not a multipart form: {error}") from error
    if getattr(parser.parser, "state", None) != MultipartState.END:
        raise MalformedError("not a multipart form: its end is missing")
    return _form(parts)


def _form(parts: list[Field | File]) -> Form:
    fields: dict[str, list[Json]] = {}
    described: list[Json] = []
    files: list[bytes] = []
    for part in parts:
        if isinstance(part, File):
            content = _content(part)
            described.append(_described(part, content, len(files)))
            files.append(content)
        else:
            name = _text(part.field_name, "the name of a field")
            fields.setdefault(name, []).append(_text(part.value, "a field"))
    if FILES in fields:
        raise MalformedError(f"a field may not be named {FILES}: the files are listed under it")
    payload: dict[str, Json] = {
        name: values if len(values) > 1 else values[0] for name, values in fields.items()
    }
    return Form({**payload, FILES: described}, tuple(files))


def _described(file: File, content: bytes, number: int) -> Json:
    return {
        "name": _text(file.field_name, "the name of a file's field"),
        "filename": _text(file.file_name, "the name of a file"),
        "content_type": file.content_type or "application/octet-stream",
        "size_bytes": len(content),
        "encoding": "text" if _is_text(content) else "base64",
        "path": f"/{FILES}/{number}",
    }


def _content(file: File) -> bytes:
    kept = file.file_object
    assert isinstance(kept, BytesIO), "no part is as long as the whole"
    return kept.getvalue()


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _text(raw: bytes | None, what: str) -> str:
    try:
        return (raw or b"").decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"{what} is not UTF-8 at byte {error.start}") from error
