"""Parts of events, as `read_event` and `resources/read` tell of them."""

import dataclasses
from typing import Any

from bridge.formats.file_pages import page_bytes
from bridge.mcp.file_contents import NamedFile
from bridge.mcp.record_files import event_files, file_alone
from bridge.mcp.tool_results import DATA_NOTICE, beside, shown_part, value_or_text
from bridge.mcp.tools import Caller


@dataclasses.dataclass(frozen=True)
class EventPart:
    """What is told of a part of an event, and the files that it is or that came with it."""

    told: dict[str, Any]
    files: list[NamedFile]


async def read_part(
    caller: Caller, event_id: str, path: str, offset: int, *, detailed: bool = False
) -> EventPart:
    """Read what `path` names of an event, or the page of it that begins at `offset`."""
    events, chars = caller.runtime.events, caller.runtime.settings.result_chars
    await caller.demand_event(event_id)
    read = {"event_id": event_id, "path": path, "notice": DATA_NOTICE}
    page = await events.read_file(caller.server.name, event_id, path, offset, page_bytes(chars))
    event = await events.find(caller.server.name, event_id)
    if page is not None:
        return EventPart(read | dataclasses.asdict(page), await file_alone(caller, event, path))
    if path == "" and offset == 0:
        read |= beside(event, chars)
    schemas = caller.runtime.schemas
    value = await shown_part(events, schemas, caller.server, event_id, path, detailed=detailed)
    files: list[NamedFile] = []
    if path == "" and not detailed:
        value, files = await event_files(caller, event, value)
    elif isinstance(value, str):
        files = await file_alone(caller, event, path)
    return EventPart(read | value_or_text(value, offset, chars), files)
