"""A file that a workflow answered with: an image for who can look at it, and pages for all."""

import base64
import dataclasses
from typing import Any

import mcp_types as types

from bridge.errors import NotFoundError
from bridge.formats.file_pages import file_page, page_bytes
from bridge.formats.images import IMAGE_BYTES_MAX, image_type
from bridge.formats.json_text import decode
from bridge.formats.payloads import Page
from bridge.mcp.envelopes import DATA_NOTICE, read_on
from bridge.mcp.exchange import Caller
from bridge.models import Call
from bridge.n8n.outcomes import RESULT_FILE_PATH


async def with_image(
    told: types.CallToolResult, call: Call, caller: Caller
) -> types.CallToolResult:
    """Return what is told of a call, and beside it the image that its workflow answered with."""
    if not 0 < call.file_bytes <= IMAGE_BYTES_MAX or not _type(call).startswith("image/"):
        return told
    content, _ = await caller.runtime.calls.read_file(call, 0, call.file_bytes)
    media_type = image_type(content)
    if media_type is None:
        return told
    data = base64.b64encode(content).decode()
    image = types.ImageContent(type="image", data=data, mime_type=media_type)
    return told.model_copy(update={"content": [*told.content, image]})


async def file_part(caller: Caller, call: Call, path: str, offset: int) -> dict[str, Any]:
    """Return the page that begins at `offset` of the file that `path` names in a call's result.

    Raises:
        NotFoundError: the result has no such file.
    """
    if path != RESULT_FILE_PATH or not call.file_bytes:
        raise NotFoundError("this call's result has no such file: leave path out to read the rest")
    size_bytes = page_bytes(caller.runtime.settings.result_chars)
    part, whole_bytes = await caller.runtime.calls.read_file(call, offset, size_bytes)
    is_text = _described(call).get("encoding") == "text"
    shown = file_page(part, offset, whole_bytes, is_text=is_text)
    told = {"call_id": call.call_id, "status": call.status, "path": path, "notice": DATA_NOTICE}
    on = read_on("read_call with the same path", Page("", shown.next_offset))
    return told | dataclasses.asdict(shown) | on


def _described(call: Call) -> dict[str, Any]:
    described: dict[str, Any] = decode(call.result or b"{}")["files"][0]
    return described


def _type(call: Call) -> str:
    return str(_described(call)["content_type"])
