"""Multipart forms: their fields, and the files that come with them."""

import json
from dataclasses import dataclass
from io import BytesIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, MultipartState, parse_options_header

from bridge.errors import MalformedError
from bridge.formats.bodies import (
    as_object,
    charsets_of,
    decode_field,
    decode_text,
    decode_value,
    label_in,
    named,
)
from bridge.formats.json_text import parse_json
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
        """Return the payload as it is kept."""
        return Body(json.dumps(self.payload).encode(), MEDIA_TYPE)


def read_form(content: bytes, content_type: str) -> Form:
    """Read a body of `multipart/form-data`.

    Raises:
        MalformedError: it is none, is cut off, or has more than PARTS_MAX parts.

        UnsupportedMediaError: it names a charset that is not known here.

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
    fields = [part for part in parts if isinstance(part, Field) and not _is_file(part)]
    read = _FieldReader([(part.field_name or b"", part.value or b"") for part in fields])
    payload = as_object((read.name(part.field_name), read.value(part)) for part in fields)
    if FILES in payload:
        raise MalformedError(f"a field may not be named {FILES}: the files are listed under it")
    files = [part for part in parts if isinstance(part, File) or _is_file(part)]
    contents = tuple(map(_content, files))
    described: list[Json] = [
        _described(file, contents[number], number, read) for number, file in enumerate(files)
    ]
    return Form({**payload, FILES: described}, contents)


class _FieldReader:
    """Reads the texts of a form, each in its own charset or the form's."""

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._charsets = charsets_of(pairs)
        self._own = _charsets_by_name(pairs)

    def name(self, raw: bytes | None, what: str = "the name of a field") -> str:
        return decode_field(raw or b"", self._charsets, what)

    def value(self, field: Field) -> str:
        """Return a field's value: in the charset of its own Content-Type, if it has one."""
        name = field.field_name or b""
        label = label_in(field.content_type or "") or self._own.get(name, "")
        if label:
            return decode_text(field.value or b"", label, named(name))
        return decode_value(name, field.value or b"", self._charsets)


def _charsets_by_name(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, str]:
    """Return the charsets of fields as a field `charsets` names them, which is JSON.

    Source: SendGrid, "Setting up the Inbound Parse Webhook", default parameters.
    """
    told = next((value for name, value in pairs if name == b"charsets"), b"")
    try:
        charsets = parse_json(told)
    except MalformedError:
        return {}
    if not isinstance(charsets, dict):
        return {}
    return {name.encode(): label for name, label in charsets.items() if isinstance(label, str)}


def _is_file(field: Field) -> bool:
    """Report whether a part without `filename` is a file all the same: by its type and its bytes.

    So come the files of clients that name them by `filename*` only, which RFC 7578 (4.2) forbids.
    """
    kind = (field.content_type or "text/plain").strip().lower()
    return not kind.startswith("text/") and not label_in(kind) and not _is_text(field.value or b"")


def _described(file: Field | File, content: bytes, number: int, read: _FieldReader) -> Json:
    return {
        "name": read.name(file.field_name, "the name of a file's field"),
        "filename": read.name(_file_name(file), "the name of a file"),
        "content_type": file.content_type or "application/octet-stream",
        "size_bytes": len(content),
        "encoding": "text" if _is_text(content) else "base64",
        "path": f"/{FILES}/{number}",
    }


def _file_name(file: Field | File) -> bytes | None:
    return file.file_name if isinstance(file, File) else None


def _content(file: Field | File) -> bytes:
    if isinstance(file, Field):
        return file.value or b""
    kept = file.file_object
    assert isinstance(kept, BytesIO), "no part is as long as the whole"
    return kept.getvalue()


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False
