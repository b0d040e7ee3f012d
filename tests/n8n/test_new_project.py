"""What `new` writes, on a real n8n: from nothing to a first call, and every kind as it is used."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.authoring.scaffold.project import Kind
from tests.first_call.__main__ import GOALS_S
from tests.first_call.calls import FIRST_CALLS
from tests.first_call.project import new_project
from tests.n8n.real import RealN8n

pytestmark = [pytest.mark.real_n8n, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.mark.parametrize("kind", FIRST_CALLS)
async def test_from_nothing_to_the_first_call(
    kind: Kind, n8n: RealN8n, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    started = time.monotonic()
    project = await new_project(kind, tmp_path, n8n)
    async with project.up() as claude:
        await FIRST_CALLS[kind](project, claude)
        took_s = time.monotonic() - started
    record_property("new to the first call, s", round(took_s, 1))
    assert took_s <= GOALS_S["with a real n8n"]
