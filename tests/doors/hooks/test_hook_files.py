"""Files that come with an event: kept beside it, and read by Claude in pages."""

import base64
import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.configuration.servers import Server
from bridge.models import Principal
from tests.apps import RunningApp, running_app
from tests.tools import refused, told

AUTH = {"Authorization": "Bearer token"}
TICKET = "/hooks/support/ticket"
MAX_BODY_BYTES = 5000
PAPER = "Első oldal. " * 20
PICTURE = bytes(range(256))
FILES = [
    ("doc", ("paper.txt", PAPER.encode(), "text/plain")),
    ("doc", ("a.png", PICTURE, "image/png")),
]


def server(name: str) -> Server:
    return Server.model_validate({"name": name, "hooks": {"ticket": {"auth": {"bearer": "token"}}}})


CLAUDE, STRANGER = Principal("support", "local"), Principal("sales", "local")
SUPPORT, SALES = server("support"), server("sales")


@pytest.fixture
async def door(redis_url: str) -> AsyncIterator[RunningApp]:
    async with running_app(
        redis_url, SUPPORT, SALES, max_body_bytes=MAX_BODY_BYTES, result_chars=100
    ) as running:
        yield running


async def send(door: RunningApp, **more: Any) -> str:
    answer = await door.client.post(
        TICKET, data={"subject": "both"}, files=FILES, headers=AUTH | more
    )
    assert answer.status_code == 202, answer.text
    event_id: str = answer.json()["event_id"]
    return event_id


async def read(door: RunningApp, event_id: str, path: str) -> list[dict[str, Any]]:
    """Read all pages of what `path` names."""
    found: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None:
        named = {"event_id": event_id, "path": path, "offset": offset}
        found.append(await told(door.runtime, CLAUDE, "read_event", **named))
        offset = found[-1]["next_offset"]
    return found


async def test_files_are_told_in_the_payload_and_read_in_pages(door: RunningApp) -> None:
    event_id = await send(door)

    subject = await told(door.runtime, CLAUDE, "read_event", event_id=event_id, path="/subject")
    name = await read(door, event_id, "/files/1/filename")
    paper = await read(door, event_id, "/files/0")
    picture = await read(door, event_id, "/files/1")

    assert (subject["value"], name[0]["value"]) == ("both", "a.png")
    assert len(paper) > 1
    assert "".join(page["text"] for page in paper) == PAPER
    assert {page["encoding"] for page in paper} == {"text"}
    assert b"".join(base64.b64decode(page["text"]) for page in picture) == PICTURE
    assert {page["encoding"] for page in picture} == {"base64"}
    assert all("outside" in page["notice"] for page in paper + picture)


async def test_beyond_its_end_a_file_has_an_empty_page(door: RunningApp) -> None:
    event_id = await send(door)
    for offset in (len(PICTURE), 10**30):
        named = {"event_id": event_id, "path": "/files/1", "offset": offset}
        page = await told(door.runtime, CLAUDE, "read_event", **named)
        assert (page["text"], page["next_offset"]) == ("", None)


async def test_a_file_that_is_not_there_is_not_found(door: RunningApp) -> None:
    event_id = await send(door)

    for path in ("/files/2", "/files/00", "/files/-1"):
        named = {"event_id": event_id, "path": path}
        assert "leads nowhere" in await refused(door.runtime, CLAUDE, "read_event", **named)


async def test_another_servers_files_are_unknown(door: RunningApp) -> None:
    event_id = await send(door)

    hidden = await refused(door.runtime, STRANGER, "read_event", event_id=event_id, path="/files/0")
    unknown = await refused(door.runtime, STRANGER, "read_event", event_id="evt_x", path="/files/0")

    assert hidden == unknown


async def test_a_payload_that_only_looks_like_files_is_read_as_it_is(door: RunningApp) -> None:
    answer = await door.client.post(TICKET, json={"files": ["a"]}, headers=AUTH)

    (page,) = await read(door, answer.json()["event_id"], "/files/0")

    assert page["value"] == "a"


async def test_a_form_that_is_sent_again_with_another_boundary_is_the_same(
    door: RunningApp,
) -> None:
    first = await send(door, **{"Idempotency-Key": "one"})
    again = await door.client.post(
        TICKET, data={"subject": "both"}, files=FILES, headers={**AUTH, "Idempotency-Key": "one"}
    )
    other = await door.client.post(
        TICKET,
        data={"subject": "both"},
        files=[FILES[0], ("doc", ("a.png", PICTURE[::-1], "image/png"))],
        headers={**AUTH, "Idempotency-Key": "one"},
    )

    assert (again.status_code, other.status_code) == (200, 409)
    assert again.json()["event_id"] == first


@pytest.mark.parametrize("key", ["event:*", "file:*", "reply:*", "idempotency:*"])
async def test_what_is_too_long_leaves_nothing(door: RunningApp, key: str) -> None:
    zipped = {"Content-Encoding": "gzip", "Idempotency-Key": "one", **AUTH}
    large = [("doc", ("a", bytes(MAX_BODY_BYTES), "text/plain"))]

    long = await door.client.post(TICKET, files=large, headers=AUTH)
    bomb = await door.client.post(TICKET, content=gzip.compress(bytes(2**24)), headers=zipped)

    assert (long.status_code, bomb.status_code) == (413, 413)
    assert await door.runtime.redis.keys(f"{{bridge}}:{key}") == []


async def test_a_zipped_body_is_read(door: RunningApp) -> None:
    headers = {**AUTH, "Content-Encoding": "gzip", "Content-Type": "application/json"}

    answer = await door.client.post(TICKET, content=gzip.compress(b'{"a": [1]}'), headers=headers)

    (page,) = await read(door, answer.json()["event_id"], "")
    assert page["value"] == {"a": [1]}
