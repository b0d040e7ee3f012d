"""The table of checks, and how they are run: all at once, each bounded in time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from bridge.authoring.diagnosis.claude_code import check_claude_code
from bridge.authoring.diagnosis.configuration import (
    check_server_files,
    check_settings,
    check_tokens,
)
from bridge.authoring.diagnosis.foundations import check_n8n, check_n8n_key, check_redis
from bridge.authoring.diagnosis.ports import check_port
from bridge.authoring.diagnosis.public_address import check_public_address
from bridge.authoring.diagnosis.public_stream import check_public_stream
from bridge.authoring.diagnosis.setup import Setup
from bridge.diagnosis.checks import seen_by
from bridge.diagnosis.observations import Level, Observation


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
        for looking in [
            group.create_task(seen_by(check.look(setup), check.subject, check.ends_after_s))
            for check in checks
        ]:
            for seen in await looking:
                yield seen


def counted(seen: list[Observation]) -> dict[Level, int]:
    """Count observations by how they went."""
    return {level: sum(each.severity is level for each in seen) for level in Level}
