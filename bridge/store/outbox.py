"""Outboxes: what a stream must still send, kept so that any web process can send it again."""

import secrets
from dataclasses import dataclass

from bridge.store.scripts import Script, Steps
from bridge.store.streams import Reading

FRAMES_MAX = 1000
READ_FRAMES, READ_BYTES = 64, 256 * 1024
"""What a reader takes at once, and so holds for a client that does not read: one frame more."""

FRAME_ID = r"\d{1,19}-\d{1,19}"
"""How a frame's id is spelt, as a regular expression; Redis refuses longer numbers."""

OUTBOX_TTL_S = 3600
ANSWER_TTL_S = 600

APPEND = Script(
    "session stream frame last receipt request once frames_max ttl_s",
    """
if request ~= '' and redis.call('HDEL', owed_key(session), request) == 0 then return {''} end
local outbox = outbox_key(session, stream)
local newest = redis.call('XREVRANGE', outbox, '+', '-', 'COUNT', 1)[1]
if newest and newest[2][8] == once then return {newest[1]} end
local id = redis.call('XADD', outbox, 'MAXLEN', frames_max, '*', 'frame', frame, 'last', last,
  'receipt', receipt, 'once', once)
redis.call('EXPIRE', outbox, ttl_s)
ring('outbox:' .. session .. ':' .. stream)
return {id}
""",
)

READ = Script(
    "session stream reader after limit bytes_max",
    """
if reader ~= '' and redis.call('HGET', session_key(session), 'reader:' .. stream) ~= reader then
  return {'replaced', {}}
end
local outbox = outbox_key(session, stream)
local rows, bytes = {}, 0
local from = after == '' and '-' or '(' .. after
for _, entry in ipairs(redis.call('XRANGE', outbox, from, '+', 'COUNT', limit)) do
  if bytes > tonumber(bytes_max) then break end
  bytes = bytes + #entry[2][2]
  rows[#rows + 1] = {entry[1], entry[2][2], entry[2][4], entry[2][6]}
end
local newest = #rows == 0 and redis.call('XREVRANGE', outbox, '+', '-', 'COUNT', 1)[1]
if newest and newest[2][4] == '1' then return {'over', {}} end
return {'reading', rows}
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

    `receipt` names what is handed over once the frame has arrived; empty for nothing.
    """

    frame_id: str
    content: bytes
    is_last: bool
    receipt: str


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

        `ends` says that the stream is over with it; an empty `request` is always answered.
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
            ttl_s=OUTBOX_TTL_S,
            **said,
        )

    async def read(self, reading: Reading, after: str) -> list[Frame] | None:
        """Read the frames that follow the one named `after`.

        None when there will be none: the reader was replaced, or the last frame is behind it. A
        reading without a reader only looks, whoever reads.
        """
        outcome, rows = await self._steps.run(
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
        return [
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
