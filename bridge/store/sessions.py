"""Sessions on record: what a handshake settled, readable by every web process."""

import json
import secrets
from dataclasses import dataclass
from typing import Any, NamedTuple

from bridge.errors import TooManySessionsError, TransientError
from bridge.formats.json_text import encode
from bridge.models import Principal
from bridge.store.steps import Steps, step

SESSION_TTL_S = 24 * 3600
IN_USE_S = 360.0
"""A session that gave a sign of life within this time is never ended to make room."""

COME_BACK_S = 30.0


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


class SessionRow(NamedTuple):
    """A session as it is kept; `info` and `capabilities` are JSON."""

    server: str
    principal: str
    wire: str
    client: str
    version: str
    info: bytes
    capabilities: bytes


@step("sessions.write")
async def _write(
    steps: Steps,
    *,
    session_id: str,
    server: str,
    principal: str,
    wire: str,
    client: str,
    version: str,
    info: bytes,
    capabilities: bytes,
    ttl_s: int,
    in_use_ms: int,
    of_principal: int,
    of_all: int,
) -> str:
    """Write a session; returns `written`, or whose sessions leave no room for it."""


@step("sessions.read")
async def _read(steps: Steps, *, session_id: str, ttl_s: int) -> SessionRow | None:
    """Read a session, which is a sign of its life."""


@step("sessions.finish")
async def _finish(steps: Steps, *, session_id: str) -> None:
    """End a session."""


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
        outcome = await _write(
            self._steps,
            session_id=session.session_id,
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
        if outcome == "principal":
            raise TooManySessionsError(COME_BACK_S)
        if outcome == "all":
            raise TransientError(
                "there are as many sessions as BRIDGE_SESSIONS_MAX allows, all of them in use",
                COME_BACK_S,
            )

    async def read(self, session_id: str, principal: Principal, wire: str) -> Session | None:
        """Read a session of this principal on this wire, which is a sign of its life."""
        row = await _read(self._steps, session_id=session_id, ttl_s=self._limits.idle_s)
        asked = (principal.server, principal.name, wire)
        if row is None or (row.server, row.principal, row.wire) != asked:
            return None
        return Session(
            session_id=session_id,
            principal=principal,
            wire=wire,
            client=row.client,
            version=row.version,
            info=json.loads(row.info),
            capabilities=json.loads(row.capabilities),
        )

    async def end(self, session_id: str) -> None:
        """Drop a session; its streams end."""
        await _finish(self._steps, session_id=session_id)
