"""Outboxes: what a stream must still send, kept so that any web process can send it again."""

import secrets
from dataclasses import dataclass

from bridge.store.scripts import Script
from bridge.store.steps import Steps
from bridge.store.streams import Reading

FRAMES_MAX, BYTES_MAX = 1000, 16 * 1024 * 1024
"""What an outbox holds; the oldest frames make room, but for the newest one."""

READ_FRAMES, READ_BYTES = 64, 256 * 1024
"""What a reader takes at once, and so holds for a client that does not read: one frame more."""

FRAME_ID = r"\d{1,19}-\d{1,19}"
"""How a frame's id is spelt, as a regular expression; Redis refuses longer numbers."""

OUTBOX_TTL_S = 3600
ANSWER_TTL_S = 600

APPEND = Script(
    "session stream frame last receipt request once frames_max bytes_max ttl_s",
    """
if request ~= '' and redis.call('HDEL', owed_key(session), request) == 0 then return {''} end
for _, owed in ipairs(last == '1' and redis.call('HVALS', owed_key(session)) or {}) do
  if cjson.decode(owed)[2] == stream then last = '0' end
end
local outbox, dropped = outbox_key(session, stream), dropped_key(session, stream)
local newest = redis.call('XREVRANGE', outbox, '+', '-', 'COUNT', 1)[1]
if newest and newest[2][8] == once then return {newest[1]} end
local bytes = #frame + (newest and newest[2][10] or 0)
local id = redis.call('XADD', outbox, '*', 'frame', frame, 'last', last, 'receipt', receipt,
  'once', once, 'bytes', string.format('%.0f', bytes), 'request', request, 'v', layout)
while true do
  local oldest = redis.call('XRANGE', outbox, '-', '+', 'COUNT', 1)[1]
  local is_small = bytes - oldest[2][10] + #oldest[2][2] <= tonumber(bytes_max)
  if oldest[1] == id or (is_small and redis.call('XLEN', outbox) <= tonumber(frames_max)) then break end
  redis.call('XDEL', outbox, oldest[1])
  if oldest[2][12] ~= '' and redis.call('HLEN', dropped) < tonumber(frames_max) then
    redis.call('HSET', dropped, oldest[2][12], oldest[1])
  end
end
redis.call('EXPIRE', outbox, ttl_s)
redis.call('EXPIRE', dropped, ttl_s)
ring('outbox:' .. session .. ':' .. stream)
return {id}
""",
)

READ = Script(
    "session stream reader after limit bytes_max",
    """
if reader ~= '' and redis.call('HGET', session_key(session), 'reader:' .. stream) ~= reader then
  return {'replaced', {}, {}}
end
local outbox = outbox_key(session, stream)
local rows, bytes = {}, 0
local gone = redis.call('HGETALL', dropped_key(session, stream))
local from = after == '' and '-' or '(' .. after
for _, entry in ipairs(redis.call('XRANGE', outbox, from, '+', 'COUNT', limit)) do
  if bytes > tonumber(bytes_max) then break end
  bytes = bytes + #entry[2][2]
  rows[#rows + 1] = {entry[1], entry[2][2], entry[2][4], entry[2][6]}
end
local newest = #rows == 0 and redis.call('XREVRANGE', outbox, '+', '-', 'COUNT', 1)[1]
if newest and newest[2][4] == '1' then return {'over', {}, {}} end
return {'reading', rows, gone}
""",
)

PUT_ANSWER = Script(
    "session id answer ttl_s",
    "redis.call('SET', answer_key(session, id), answer, 'EX', ttl_s) ring('answer:' .. session .. ':' .. id) return {}",
)

READ_ANSWER = Script("session id", "return {redis.call('GET', answer_key(session, id)) or ''}")


@dataclass(frozen=True)
class Frame:
    """One JSON-RPC message on its way out; nothing follows the `last` one of a stream.

    `receipt` names what is handed over once the frame has arrived; empty for nothing. A frame that
    answered a request and made room for others has no content: `dropped` names the request.
    """

    frame_id: str
    content: bytes
    is_last: bool
    receipt: str
    dropped: str = ""


class Outbox:
    """Speaks Redis for outboxes and for the answers that clients give to the server's requests."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def append(
        self, session_id: str, stream: str, content: bytes, *, is_last: bool = False
    ) -> None:
        """Keep a frame and wake its reader."""
        await self._append(session_id, stream, content, last=int(is_last), receipt="", request="")

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
        await self._append(
            session_id, stream, content, last=int(ends), receipt=receipt, request=request
        )

    async def _append(
        self, session_id: str, stream: str, content: bytes, **said: str | int
    ) -> None:
        await self._steps.run(
            APPEND,
            session=session_id,
            stream=stream,
            frame=content,
            once=secrets.token_hex(8),
            frames_max=FRAMES_MAX,
            bytes_max=BYTES_MAX,
            ttl_s=OUTBOX_TTL_S,
            **said,
        )

    async def read(self, reading: Reading, after: str) -> list[Frame] | None:
        """Read the frames that follow the one named `after`.

        None when there will be none: the reader was replaced, or the last frame is behind it. A
        reading without a reader only looks, whoever reads.
        """
        outcome, rows, gone = await self._steps.run(
            READ,
            session=reading.session_id,
            stream=reading.stream,
            reader=reading.reader,
            after=after,
            limit=READ_FRAMES,
            bytes_max=READ_BYTES,
        )
        if outcome != b"reading":
            return None
        dropped = [
            Frame(id_.decode(), b"", is_last=False, receipt="", dropped=request.decode())
            for request, id_ in zip(gone[::2], gone[1::2], strict=True)
            if place_of(id_.decode()) > place_of(after)
        ]
        return sorted(dropped, key=lambda frame: place_of(frame.frame_id)) + [
            Frame(id_.decode(), content, last == b"1", receipt.decode())
            for id_, content, last, receipt in rows
        ]

    async def put_answer(self, session_id: str, request_id: str, answer: bytes) -> None:
        """Keep a client's answer for whichever process asked."""
        await self._steps.run(
            PUT_ANSWER, session=session_id, id=request_id, answer=answer, ttl_s=ANSWER_TTL_S
        )

    async def read_answer(self, session_id: str, request_id: str) -> bytes | None:
        """Read a client's answer, or None while there is none."""
        (answer,) = await self._steps.run(READ_ANSWER, session=session_id, id=request_id)
        return answer or None


def place_of(frame_id: str) -> tuple[int, ...]:
    """Read a frame's id; an empty one is the place before every frame."""
    return tuple(int(part) for part in frame_id.split("-") if part)
