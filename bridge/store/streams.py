"""Streams on record: who reads each, how far it surely got, and what is still owed to its client.

A request that a client has made is owed an answer. Whoever serves it may die; then the next
process that reads the client's stream serves it in its place.
"""

from dataclasses import dataclass

from bridge.formats.json_text import decode, encode
from bridge.models import CallId, Message, ProcessId
from bridge.store.scripts import Script
from bridge.store.sessions import LIVES, USUAL, SessionLimits
from bridge.store.steps import Steps

LIVED_WITHIN_S = 600.0
UNPROVEN_TTL_S = 3600

ATTACH = Script(
    "session stream reader client ttl_s",
    """
redis.call('HSET', session_key(session), 'reader:' .. stream, reader)
redis.call('EXPIRE', session_key(session), ttl_s)
if client ~= '' then
  redis.call('ZADD', clients_key(client), now, session)
  redis.call('EXPIRE', clients_key(client), ttl_s)
end
ring('outbox:' .. session .. ':' .. stream)
ring('reader:' .. session .. ':' .. stream)
return {redis.call('HGET', session_key(session), 'sure:' .. stream) or ''}
""",
)

DETACH = Script(
    "session stream reader client",
    """
if redis.call('HGET', session_key(session), 'reader:' .. stream) == reader then
  redis.call('HDEL', session_key(session), 'reader:' .. stream)
  if client ~= '' then redis.call('ZADD', clients_key(client), now, session) end
  ring('reader:' .. session .. ':' .. stream)
  return {'left'}
end
return {'replaced'}
""",
)

SURE = Script(
    "session stream reader frame client ttl_s",
    LIVES
    + """
local s = redis.call('HMGET', session_key(session), 'reader:' .. stream, 'server', 'principal')
if s[1] ~= reader then return {'replaced'} end
lives(session, s[2], s[3], ttl_s)
if frame ~= '' then redis.call('HSET', session_key(session), 'sure:' .. stream, frame) end
if client ~= '' then redis.call('ZADD', clients_key(client), now, session) end
return {'reading'}
""",
)

WRITTEN = Script(
    "session receipt ttl_s",
    "redis.call('SADD', unproven_key(session), receipt) "
    "redis.call('EXPIRE', unproven_key(session), ttl_s) return {}",
)

SETTLED = Script("session receipt", "redis.call('SREM', unproven_key(session), receipt) return {}")

PROVEN = Script(
    "session",
    "local receipts = redis.call('SMEMBERS', unproven_key(session)) "
    "redis.call('DEL', unproven_key(session)) return receipts",
)

IS_READ = Script(
    "session stream",
    "return {redis.call('HEXISTS', session_key(session), 'reader:' .. stream)}",
)

IS_KEPT = Script(
    "session stream",
    """
if redis.call('EXISTS', outbox_key(session, stream)) == 1 then return {1} end
for _, owed in ipairs(redis.call('HVALS', owed_key(session))) do
  if cjson.decode(owed)[2] == stream then return {1} end
end
return {0}
""",
)

RECENT = Script(
    "client within_ms",
    """
local rows = {}
for _, session in ipairs(redis.call('ZRANGEBYSCORE', clients_key(client), now - within_ms, '+inf')) do
  if redis.call('EXISTS', session_key(session)) == 1 then rows[#rows + 1] = session end
end
return rows
""",
)

OWE = Script(
    "session request message stream call process ttl_s",
    """
local owed = cjson.encode({message, stream, call, process, layout})
if redis.call('HSETNX', owed_key(session), request, owed) == 0 then return {'owed before'} end
redis.call('EXPIRE', owed_key(session), ttl_s)
return {'owed'}
""",
)

FORGIVE = Script("session request", "redis.call('HDEL', owed_key(session), request) return {}")

ADOPT = Script(
    "session stream process life_ms",
    """
local rows = {}
local owed = redis.call('HGETALL', owed_key(session))
for i = 1, #owed, 2 do
  local debt = cjson.decode(owed[i + 1])
  local beat = redis.call('ZSCORE', processes_key(), debt[4])
  local is_orphan = debt[4] ~= process and (not beat or now - beat > tonumber(life_ms))
  if debt[2] == stream and is_orphan then
    debt[4] = process
    redis.call('HSET', owed_key(session), owed[i], cjson.encode(debt))
    rows[#rows + 1] = {debt[1], debt[3]}
  end
end
return rows
""",
)


@dataclass(frozen=True)
class Reading:
    """One reader of one stream; `client` is empty for streams that are never looked for."""

    session_id: str
    stream: str
    reader: str
    client: str = ""


@dataclass(frozen=True)
class Owed:
    """A request whose answer is owed on a stream, with the id of the call that it may start."""

    message: Message
    call_id: CallId


def probe_wake(session_id: str, stream: str) -> str:
    """Name the wake for whoever reads a stream to write a comment on it."""
    return f"probe:{session_id}:{stream}"


def reader_wake(session_id: str, stream: str) -> str:
    """Name the wake for when a stream got a reader or lost it."""
    return f"reader:{session_id}:{stream}"


class StreamStore:
    """Speaks Redis for streams."""

    def __init__(self, steps: Steps, process: ProcessId, limits: SessionLimits = USUAL) -> None:
        self._steps = steps
        self._process = process
        self._ttl_s = limits.idle_s

    async def attach(self, reading: Reading) -> str:
        """Become the stream's only reader; returns the last frame that surely arrived."""
        (sure,) = await self._steps.run(
            ATTACH,
            session=reading.session_id,
            stream=reading.stream,
            reader=reading.reader,
            client=reading.client,
            ttl_s=self._ttl_s,
        )
        return str(sure.decode())

    async def detach(self, reading: Reading) -> bool:
        """Read no more; False for a reader that was replaced before."""
        answer = await self._steps.run(
            DETACH,
            session=reading.session_id,
            stream=reading.stream,
            reader=reading.reader,
            client=reading.client,
        )
        return answer == [b"left"]

    async def still_reads(self, reading: Reading, sure: str = "") -> bool:
        """Record that frames up to `sure` have arrived, and that the client lives; False: replaced."""
        answer = await self._steps.run(
            SURE,
            session=reading.session_id,
            stream=reading.stream,
            reader=reading.reader,
            frame=sure,
            client=reading.client,
            ttl_s=self._ttl_s,
        )
        return answer == [b"reading"]

    async def written(self, session_id: str, receipt: str) -> None:
        """Record an answer that was written to a stream of the session and may have arrived."""
        await self._steps.run(WRITTEN, session=session_id, receipt=receipt, ttl_s=UNPROVEN_TTL_S)

    async def settled(self, session_id: str, receipt: str) -> None:
        """Record that an answer's fate is known."""
        await self._steps.run(SETTLED, session=session_id, receipt=receipt)

    async def proven(self, session_id: str) -> list[str]:
        """Return the receipts that a later request of the session proves, once."""
        return [receipt.decode() for receipt in await self._steps.run(PROVEN, session=session_id)]

    async def is_read(self, session_id: str, stream: str) -> bool:
        """Report whether anyone reads a stream."""
        return await self._steps.run(IS_READ, session=session_id, stream=stream) == [1]

    async def is_kept(self, session_id: str, stream: str) -> bool:
        """Report whether a stream has frames, or an answer to come."""
        return await self._steps.run(IS_KEPT, session=session_id, stream=stream) == [1]

    async def recent(self, client: str) -> list[str]:
        """Name the sessions of a client that lived within LIVED_WITHIN_S."""
        within_ms = round(LIVED_WITHIN_S * 1000)
        found = await self._steps.run(RECENT, client=client, within_ms=within_ms)
        return [session_id.decode() for session_id in found]

    async def register(self, session_id: str, stream: str, owed: Owed) -> bool:
        """Put a request on record before it is served; False: it was there already."""
        answer = await self._steps.run(
            OWE,
            session=session_id,
            request=request_key(owed.message),
            message=encode(owed.message),
            stream=stream,
            call=owed.call_id,
            process=self._process,
            ttl_s=self._ttl_s,
        )
        return answer == [b"owed"]

    async def drop(self, session_id: str, request: str) -> None:
        """Drop a request that its client wants no more."""
        await self._steps.run(FORGIVE, session=session_id, request=request)

    async def take_over(self, session_id: str, stream: str, life_s: float) -> list[Owed]:
        """Take over the requests of a stream whose process has been silent for `life_s`."""
        rows = await self._steps.run(
            ADOPT,
            session=session_id,
            stream=stream,
            process=self._process,
            life_ms=round(life_s * 1000),
        )
        return [Owed(decode(message), CallId(call.decode())) for message, call in rows]


def request_key(message: Message) -> str:
    """Format a request's id so that 1 and "1" stay apart."""
    return encode(message["id"]).decode()
