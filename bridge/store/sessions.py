"""Sessions on record: what a handshake settled, readable by every web process."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from bridge.models import Principal
from bridge.store.scripts import Script, Steps

SESSION_TTL_S = 24 * 3600

WRITE = Script(
    "id server principal wire client version info capabilities ttl_s",
    """
redis.call('HSET', session_key(id), 'server', server, 'principal', principal, 'wire', wire, 'client', client,
  'version', version, 'info', info, 'capabilities', capabilities)
redis.call('EXPIRE', session_key(id), ttl_s)
return {}
""",
)

TOUCH = Script(
    "id ttl_s",
    """
redis.call('EXPIRE', session_key(id), ttl_s)
return redis.call('HMGET', session_key(id), 'server', 'principal', 'wire', 'client', 'version', 'info', 'capabilities')
""",
)

END = Script("id", "redis.call('DEL', session_key(id)) ring('session:' .. id) return {}")


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

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def write(self, session: Session) -> None:
        """Put a session on record, or what its handshake has settled since."""
        await self._steps.run(
            WRITE,
            id=session.session_id,
            server=session.principal.server,
            principal=session.principal.name,
            wire=session.wire,
            client=session.client,
            version=session.version,
            info=json.dumps(session.info),
            capabilities=json.dumps(session.capabilities),
            ttl_s=SESSION_TTL_S,
        )

    async def read(self, session_id: str, principal: Principal, wire: str) -> Session | None:
        """Read a session of this principal on this wire and keep it for another day."""
        server, name, kept_wire, client, version, info, capabilities = await self._steps.run(
            TOUCH, id=session_id, ttl_s=SESSION_TTL_S
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
