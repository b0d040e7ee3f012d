"""Sessions on record: what a handshake settled, readable by every web process."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from bridge.errors import TooManySessionsError, TransientError
from bridge.formats.json_text import encode
from bridge.models import Principal
from bridge.store.scripts import Script
from bridge.store.steps import Steps

SESSION_TTL_S = 24 * 3600
IN_USE_S = 360.0
"""A session that gave a sign of life within this time is never ended to make room."""

COME_BACK_S = 30.0

LIVES = """
local function lives(id, server, principal, ttl_s)
  redis.call('EXPIRE', session_key(id), ttl_s)
  redis.call('ZADD', sessions_key(), now, id)
  redis.call('EXPIRE', sessions_key(), ttl_s)
  redis.call('ZADD', sessions_of_key(server, principal), now, id)
  redis.call('EXPIRE', sessions_of_key(server, principal), ttl_s)
end
"""
"""`lives(id, server, principal, ttl_s)` after a sign of life of a session."""

_ENDING = """
local function end_session(id)
  local s = redis.call('HMGET', session_key(id), 'server', 'principal')
  redis.call('DEL', session_key(id))
  redis.call('ZREM', sessions_key(), id)
  if s[1] then redis.call('ZREM', sessions_of_key(s[1], s[2]), id) end
  ring('session:' .. id)
end
"""

_ROOM = """
local function make_room(index, most)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now - ttl_s * 1000)
  local oldest = redis.call('ZCARD', index) >= tonumber(most) and redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')
  if not oldest then return true end
  if now - oldest[2] < tonumber(in_use_ms) then return false end
  end_session(oldest[1])
  return true
end
"""

WRITE = Script(
    "id server principal wire client version info capabilities ttl_s in_use_ms of_principal of_all",
    LIVES
    + _ENDING
    + _ROOM
    + """
if redis.call('EXISTS', session_key(id)) == 0 then
  if not make_room(sessions_of_key(server, principal), of_principal) then return {'principal'} end
  if not make_room(sessions_key(), of_all) then return {'all'} end
end
redis.call('HSET', session_key(id), 'server', server, 'principal', principal, 'wire', wire, 'client', client,
  'version', version, 'info', info, 'capabilities', capabilities, 'v', layout)
lives(id, server, principal, ttl_s)
return {'written'}
""",
)

TOUCH = Script(
    "id ttl_s",
    LIVES
    + """
local s = redis.call('HMGET', session_key(id), 'server', 'principal', 'wire', 'client', 'version', 'info', 'capabilities')
if s[1] then lives(id, s[1], s[2], ttl_s) end
return s
""",
)

END = Script("id", _ENDING + "end_session(id) return {}")


@dataclass(frozen=True)
class SessionLimits:
    """How long sessions are kept without a sign of life, and how many of them."""

    idle_s: int = SESSION_TTL_S
    of_principal: int = 10_000
    of_all: int = 100_000
    in_use_s: float = IN_USE_S


USUAL = SessionLimits()


@dataclass(frozen=True)
class Session:
    """One client's handshake, `info` and `capabilities` its own; no `version`: not yet made."""

    session_id: str
    principal: Principal
    wire: str
    client: str
    version: str = ""
    info: Any = None
    capabilities: Any = None


def new_session_id() -> str:
    """Mint an unguessable session id (visible ASCII, as the Streamable HTTP spec demands)."""
    return secrets.token_urlsafe(24)


class SessionStore:
    """Speaks Redis for sessions."""

    def __init__(self, steps: Steps, limits: SessionLimits = USUAL) -> None:
        self._steps = steps
        self._limits = limits

    async def write(self, session: Session) -> None:
        """Put a session on record, or what its handshake has settled since.

        Where there are as many as there may be, the one that was idle longest ends for a new one.

        Raises:
            TooManySessionsError: all those of the principal are in use.
            TransientError: all those of everyone are.
        """
        limits = self._limits
        (outcome,) = await self._steps.run(
            WRITE,
            id=session.session_id,
            server=session.principal.server,
            principal=session.principal.name,
            wire=session.wire,
            client=session.client,
            version=session.version,
            info=encode(session.info),
            capabilities=encode(session.capabilities),
            ttl_s=limits.idle_s,
            in_use_ms=round(limits.in_use_s * 1000),
            of_principal=limits.of_principal,
            of_all=limits.of_all,
        )
        if outcome == b"principal":
            raise TooManySessionsError(COME_BACK_S)
        if outcome == b"all":
            raise TransientError(
                "there are as many sessions as BRIDGE_SESSIONS_MAX allows, all of them in use",
                COME_BACK_S,
            )

    async def read(self, session_id: str, principal: Principal, wire: str) -> Session | None:
        """Read a session of this principal on this wire, which is a sign of its life."""
        server, name, kept_wire, client, version, info, capabilities = await self._steps.run(
            TOUCH, id=session_id, ttl_s=self._limits.idle_s
        )
        if not server or (server.decode(), name.decode(), kept_wire.decode()) != (
            principal.server,
            principal.name,
            wire,
        ):
            return None
        return Session(
            session_id=session_id,
            principal=principal,
            wire=wire,
            client=client.decode(),
            version=version.decode(),
            info=json.loads(info),
            capabilities=json.loads(capabilities),
        )

    async def end(self, session_id: str) -> None:
        """Drop a session; its streams end."""
        await self._steps.run(END, id=session_id)
