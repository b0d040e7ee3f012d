"""Outboxes: what a stream must still send, kept so that any web process can send it again."""

import secrets
from typing import NamedTuple

from bridge.meters import OUTBOX_FRAMES
from bridge.models import Frame
from bridge.store.sessions import Reading
from bridge.store.steps import Steps, step

FRAMES_MAX, BYTES_MAX = 1000, 16 * 1024 * 1024
"""What an outbox holds; the oldest frames make room, but for the newest one."""

READ_FRAMES, READ_BYTES = 64, 256 * 1024
"""What a reader takes at once, and so holds for a client that does not read: one frame more."""

OUTBOX_TTL_S = 3600
ANSWER_TTL_S = 600


class FrameRow(NamedTuple):
    """A frame as it is kept."""

    frame_id: str
    frame: bytes
    last: bool
    receipt: str


class FramesRow(NamedTuple):
    """Some frames, and which requests were answered by frames that made room for later ones."""

    rows: list[FrameRow]
    dropped: dict[str, str]


@step("outbox.append")
async def _append(
    steps: Steps,
    *,
    session_id: str,
    stream: str,
    content: bytes,
    last: bool,
    receipt: str,
    request: str,
    once: str,
    frames_max: int,
    bytes_max: int,
    ttl_s: int,
) -> None:
    """Append a frame, unless the request that it answers was answered already."""


@step("outbox.read")
async def _read(
    steps: Steps,
    *,
    session_id: str,
    stream: str,
    reader: str,
    after: str,
    limit: int,
    bytes_max: int,
) -> FramesRow | None:
    """Read the frames behind one."""


@step("outbox.put_answer")
async def _put_answer(
    steps: Steps, *, session_id: str, request_id: str, answer: bytes, ttl_s: int
) -> None:
    """Keep what a client answered."""


@step("outbox.read_answer")
async def _read_answer(steps: Steps, *, session_id: str, request_id: str) -> bytes | None:
    """Read what a client answered."""


class Outbox:
    """Speaks Redis for outboxes and for the answers that clients give to the server's requests.

    No frame is kept for longer than a session may be idle, for nobody could come back for it.
    """

    def __init__(self, steps: Steps, idle_s: int = OUTBOX_TTL_S) -> None:
        self._steps = steps
        self._kept_s = min(OUTBOX_TTL_S, idle_s)

    async def append(
        self, session_id: str, stream: str, content: bytes, *, is_last: bool = False
    ) -> None:
        """Keep a frame and wake its reader."""
        await self._append(session_id, stream, content, last=is_last, receipt="", request="")

    async def answer(
        self,
        session_id: str,
        stream: str,
        content: bytes,
        *,
        ends: bool,
        receipt: str,
        request: str,
    ) -> None:
        """Keep an answer, unless the `request` named has been answered or is owed no more.

        `ends` says that the stream is over with it, once nothing else is owed on it; an empty
        `request` is always answered.
        """
        await self._append(session_id, stream, content, last=ends, receipt=receipt, request=request)

    async def _append(
        self,
        session_id: str,
        stream: str,
        content: bytes,
        *,
        last: bool,
        receipt: str,
        request: str,
    ) -> None:
        await _append(
            self._steps,
            session_id=session_id,
            stream=stream,
            content=content,
            last=last,
            receipt=receipt,
            request=request,
            once=secrets.token_hex(8),
            frames_max=FRAMES_MAX,
            bytes_max=BYTES_MAX,
            ttl_s=self._kept_s,
        )
        OUTBOX_FRAMES.inc()

    async def read(self, reading: Reading, after: str) -> list[Frame] | None:
        """Read the frames that follow the one named `after`.

        None when there will be none: the reader was replaced, or the last frame is behind it. A
        reading without a reader only looks, whoever reads.
        """
        found = await _read(
            self._steps,
            session_id=reading.session_id,
            stream=reading.stream,
            reader=reading.reader,
            after=after,
            limit=READ_FRAMES,
            bytes_max=READ_BYTES,
        )
        if found is None:
            return None
        dropped = [
            Frame(frame_id, b"", is_last=False, receipt="", dropped=request)
            for request, frame_id in found.dropped.items()
            if place_of(frame_id) > place_of(after)
        ]
        return sorted(dropped, key=lambda frame: place_of(frame.frame_id)) + [
            Frame(row.frame_id, row.frame, row.last, row.receipt) for row in found.rows
        ]

    async def put_answer(self, session_id: str, request_id: str, answer: bytes) -> None:
        """Keep a client's answer for whichever process asked."""
        await _put_answer(
            self._steps,
            session_id=session_id,
            request_id=request_id,
            answer=answer,
            ttl_s=ANSWER_TTL_S,
        )

    async def read_answer(self, session_id: str, request_id: str) -> bytes | None:
        """Read a client's answer, or None while there is none."""
        answer = await _read_answer(self._steps, session_id=session_id, request_id=request_id)
        return answer or None


def place_of(frame_id: str) -> tuple[int, ...]:
    """Read a frame's id; an empty one is the place before every frame."""
    return tuple(int(part) for part in frame_id.split("-") if part)
