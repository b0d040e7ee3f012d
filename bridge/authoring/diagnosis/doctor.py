"""The table of checks, and how they are run: all at once, each bounded in time."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from bridge.authoring.diagnosis.claude_code import check_claude_code
from bridge.authoring.diagnosis.configuration import (
    check_server_files,
    check_settings,
    check_tokens,
)
from bridge.authoring.diagnosis.n8n import check_n8n, check_n8n_key
from bridge.authoring.diagnosis.observations import Level, Observation, wrong
from bridge.authoring.diagnosis.ports import check_port
from bridge.authoring.diagnosis.public_address import check_public_address
from bridge.authoring.diagnosis.public_stream import check_public_stream
from bridge.authoring.diagnosis.redis_store import check_redis
from bridge.authoring.diagnosis.setup import Setup
from bridge.errors import BridgeError

ISSUES = "https://github.com/n8n-claude-bridge/n8n-claude-bridge/issues"


@dataclass(frozen=True)
class DoctorCheck:
    """One subject that is looked at, and for how long at most."""

    subject: str
    look: Callable[[Setup], AsyncIterator[Observation]]
    ends_after_s: float = 15.0


CHECKS = (
    DoctorCheck("settings", check_settings),
    DoctorCheck("server files", check_server_files),
    DoctorCheck("tokens", check_tokens),
    DoctorCheck("redis", check_redis),
    DoctorCheck("port", check_port),
    DoctorCheck("n8n", check_n8n),
    DoctorCheck("n8n API", check_n8n_key),
    DoctorCheck("Claude Code", check_claude_code),
    DoctorCheck("public address", check_public_address, 60.0),
    DoctorCheck("public address", check_public_stream, 600.0),
)
"""Every check, in the order of what they say."""


async def diagnose(
    setup: Setup, checks: tuple[DoctorCheck, ...] = CHECKS
) -> AsyncIterator[Observation]:
    """Yield what each check sees, in the table's order; none of them changes anything."""
    async with asyncio.TaskGroup() as group:
        for looking in [group.create_task(_seen(check, setup)) for check in checks]:
            for seen in await looking:
                yield seen


async def _seen(check: DoctorCheck, setup: Setup) -> list[Observation]:
    found: list[Observation] = []
    try:
        async with asyncio.timeout(check.ends_after_s):
            async for seen in check.look(setup):
                found.append(seen)  # noqa: PERF401 - what was seen before the end of time counts
    except TimeoutError:
        sentence = f"it did not answer all within {check.ends_after_s:g} s"
        found.append(wrong("slow", check.subject, sentence, "see whether it is overloaded"))
    except BridgeError as error:
        found.append(wrong("failed", check.subject, str(error), "mend that, and run it again"))
    except Exception as error:  # noqa: BLE001  what one check trips over is not in the others' way
        sentence = f"this check failed: {_place_of(error)}"
        found.append(wrong("doctor.failed", check.subject, sentence, f"report it at {ISSUES}"))
    return found


def _place_of(error: Exception) -> str:
    """Return what an error is and which lines led to it; its text may hold a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    places = (f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__} ({', '.join(places)})"


def counted(seen: list[Observation]) -> dict[Level, int]:
    """Count observations by how they went."""
    return {level: sum(each.severity is level for each in seen) for level in Level}
