"""Files of events and calls: those that came beside them, and those that their schemas declare.

A declared file is a text in base64. A model has no use for that text, so its address stands where
it did, and the file is shown beside.
"""

import base64
import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bridge.configuration.servers import Server
from bridge.errors import NotFoundError, TooLargeError
from bridge.formats.embedded_files import (
    EmbeddedFile,
    declared_places,
    find_files,
    replaced,
)
from bridge.formats.file_pages import FilePart, is_text
from bridge.formats.images import image_type
from bridge.formats.json_text import decode, encode, off_loop
from bridge.formats.long_json import LongJson
from bridge.formats.multipart import FILES, MEDIA_TYPE
from bridge.formats.payloads import read_kept, resolve
from bridge.mcp.addresses import FileAddress, file_at, uri_of
from bridge.mcp.file_contents import NamedFile
from bridge.mcp.tool_results import workflow_as_begun
from bridge.mcp.tools import Caller
from bridge.models import Call, CallId, CallStatus, Event, Json
from bridge.n8n.outcomes import RESULT_FILE_PATH

Schema = Mapping[str, Any]

LONG_BYTES = 64 * 1024
"""JSON beyond it is looked through in a thread."""


async def event_files(
    caller: Caller, event: Event, payload: Json | LongJson
) -> tuple[Json | LongJson, list[NamedFile]]:
    """Return a payload as it is shown, and the files that came with it."""
    if event.media_type == MEDIA_TYPE and isinstance(payload, dict):
        files = _sent(caller, event, payload)
        return _with_addresses(caller.server, payload, files), files
    hook = caller.server.hooks.get(event.hook)
    if hook is None or hook.payload is None or not hook.has_files:
        return payload, []
    text = payload.text.encode() if isinstance(payload, LongJson) else encode(payload)
    address = functools.partial(FileAddress, event.hook, event.event_id)
    lean, files = await _addressed(caller, text, hook.payload, address)
    shown = read_kept(lean) if files and caller.server.trim_context else payload
    return shown, files


def _sent(caller: Caller, event: Event, payload: dict[str, Json]) -> list[NamedFile]:
    """Return the files of a form, as it describes them."""
    files: list[NamedFile] = []
    described: Any = payload.get(FILES) or []
    for number, file in enumerate(described):
        read = functools.partial(_read_sent, caller, event, number, file["size_bytes"])
        uri = uri_of(caller.server, FileAddress(event.hook, event.event_id, file["path"]))
        name = file["filename"] or file["name"]
        files.append(NamedFile(uri, name, file["content_type"], file["size_bytes"], read))
    return files


def _with_addresses(
    server: Server, value: dict[str, Json], files: list[NamedFile]
) -> dict[str, Json]:
    """Return what tells of files with the address of each, where that can be given for base64."""
    hooks, workflows = server.hooks.values(), server.workflows.values()
    has_use = any(hook.replies_with_files for hook in hooks) or any(
        workflow.takes_files for workflow in workflows
    )
    told: Any = value.get(FILES)
    if not has_use or not told:
        return value
    pairs = zip(told, files, strict=True)
    return {**value, FILES: [{**each, "uri": file.uri} for each, file in pairs]}


async def _read_sent(caller: Caller, event: Event, number: int, size_bytes: int) -> bytes:
    path, name = f"/{FILES}/{number}", caller.server.name
    part = await caller.runtime.events.file_part(name, event.event_id, path, 0, size_bytes)
    return part.content if part else b""


async def file_alone(caller: Caller, event: Event, path: str) -> list[NamedFile]:
    """Return the one file that a path into an event names; none where it names no file."""
    hook = caller.server.hooks.get(event.hook)
    if event.media_type != MEDIA_TYPE and not (hook and hook.has_files):
        return []
    try:
        return [await named_file(caller, FileAddress(event.hook, event.event_id, path))]
    except NotFoundError:
        return []


async def named_file(caller: Caller, address: FileAddress) -> NamedFile:
    """Return the file at an address, for contents.

    Raises:
        NotFoundError: there is none that the caller may read.
    """
    part = await read_file(caller, address, 1)

    async def read() -> bytes:
        return (await read_file(caller, address, part.whole_bytes)).content

    name = address.path.rpartition("/")[2]
    uri = uri_of(caller.server, address)
    return NamedFile(uri, name, part.media_type, part.whole_bytes, read)


async def call_files(caller: Caller, call: Call) -> tuple[Call, list[NamedFile]]:
    """Return a call with its result as it is shown, and the files that it ended with."""
    if call.status is not CallStatus.SUCCEEDED or call.result is None:
        return call, []
    if call.file_bytes:
        files = [_answered(caller, call)]
        told = _with_addresses(caller.server, decode(call.result), files)
        return replace(call, result=encode(told)), files
    workflow = workflow_as_begun(caller, call)
    if workflow is None or workflow.output is None or not workflow.gives_files:
        return call, []
    address = functools.partial(FileAddress, "", call.call_id)
    lean, files = await _addressed(caller, call.result, workflow.output, address)
    is_lean = files and caller.server.trim_context
    # A client holds the result to the schema too, which may want more of a text than base64.
    if is_lean and await caller.runtime.schemas.fits(workflow.output, decode(lean)):
        return replace(call, result=lean), files
    return call, files


def _answered(caller: Caller, call: Call) -> NamedFile:
    """Return the file that a workflow answered with."""
    described = described_file(call)

    async def read() -> bytes:
        content, _ = await caller.runtime.calls.read_file(call, 0, call.file_bytes)
        return content

    name = described.get("filename") or RESULT_FILE_PATH.rpartition("/")[2]
    uri = uri_of(caller.server, FileAddress("", call.call_id, RESULT_FILE_PATH))
    return NamedFile(uri, name, described["content_type"], call.file_bytes, read)


def described_file(call: Call) -> dict[str, Any]:
    """Return what the result of a call says of its file."""
    described: dict[str, Any] = decode(call.result or b"{}")[FILES][0]
    return described


async def _addressed(
    caller: Caller, text: bytes, schema: Schema, address: Callable[[str], FileAddress]
) -> tuple[bytes, list[NamedFile]]:
    """Return JSON with the addresses of the files that its schema declares, and the files."""

    def uri(file: EmbeddedFile) -> str:
        return uri_of(caller.server, address(file.path))

    def look() -> tuple[bytes, list[EmbeddedFile]]:
        value = decode(text)
        found = find_files(schema, value)
        return encode(replaced(value, {file.path: uri(file) for file in found})), found

    try:
        lean, found = await off_loop(len(text), look, LONG_BYTES)
    except RecursionError:  # of a version that took JSON as deep as that
        return text, []
    return lean, [_named(file, uri(file)) for file in found]


def _named(file: EmbeddedFile, uri: str) -> NamedFile:
    async def read() -> bytes:
        return file.content

    name = file.path.rpartition("/")[2]
    return NamedFile(uri, name, file.media_type, len(file.content), read)


async def read_file(caller: Caller, address: FileAddress, size_bytes: int) -> FilePart:
    """Read as many bytes of a file, from the offset of its address on.

    Raises:
        NotFoundError: the address names no file that the caller may read.
    """
    offset = address.offset or 0
    sent, text, schema = await (_of_event if address.hook else _of_call)(
        caller, address, offset, size_bytes
    )
    if sent:
        return replace(sent, media_type=image_type(sent.content) or sent.media_type)

    def look() -> EmbeddedFile | None:
        found = find_files(schema, decode(text)) if schema else ()
        return next((file for file in found if file.path == address.path), None)

    file = await off_loop(len(text), look, LONG_BYTES)
    if file is None:
        raise NotFoundError("no such file")
    content, media_type = file.content, image_type(file.content) or file.media_type
    part = content[offset : offset + size_bytes]
    return FilePart(part, len(content), media_type, is_text(content))


Found = tuple[FilePart | None, bytes, Schema | None]
"""A file that came beside a record, or else the record's JSON and the schema that it is of."""


async def _of_event(caller: Caller, address: FileAddress, offset: int, size_bytes: int) -> Found:
    events, server = caller.runtime.events, caller.server
    event = await events.find(server.name, address.record_id)
    if event.hook != address.hook:
        raise NotFoundError("no such event")
    named = (server.name, event.event_id, address.path)
    if part := await events.file_part(*named, offset, size_bytes):
        return part, b"", None
    payload = await events.read(server.name, event.event_id, "")
    text = payload.text.encode() if isinstance(payload, LongJson) else encode(payload)
    return None, text, server.hooks[event.hook].payload


async def _of_call(caller: Caller, address: FileAddress, offset: int, size_bytes: int) -> Found:
    call = await caller.call(CallId(address.record_id))
    if call.file_bytes and address.path == RESULT_FILE_PATH:
        content, whole_bytes = await caller.runtime.calls.read_file(call, offset, size_bytes)
        said = described_file(call)
        is_text = said["encoding"] == "text"
        return FilePart(content, whole_bytes, said["content_type"], is_text), b"", None
    workflow = workflow_as_begun(caller, call)
    return None, call.result or b"null", workflow.output if workflow else None


async def with_files(
    caller: Caller, schema: Schema, value: Json
) -> tuple[Json, dict[str, dict[str, Json]]]:
    """Put files in where a schema declares them and a value names their addresses.

    Return that value, and what was put in, by place.

    Raises:
        NotFoundError: an address names no file that the caller may read.
        TooLargeError: in base64 they are longer together than a body may be.
    """
    texts: dict[str, str] = {}
    told: dict[str, dict[str, Json]] = {}
    left_bytes = caller.runtime.settings.max_body_bytes * 3 // 4  # they grow by base64
    for path in declared_places(schema, value):
        uri = str(resolve(value, path))
        if not uri.startswith(("event://", "call://")):
            continue
        address = file_at(caller.server, uri)
        if address is None or address.offset is not None:
            raise NotFoundError(f"{path} is the address of no file: take one as you were shown it")
        part = await read_file(caller, address, left_bytes)
        left_bytes -= part.whole_bytes
        if left_bytes < 0:
            raise TooLargeError("the files are longer than BRIDGE_MAX_BODY_BYTES: send fewer")
        texts[path] = base64.b64encode(part.content).decode()
        told[path] = {"content_type": part.media_type, "size_bytes": part.whole_bytes}
    return replaced(value, texts), told
