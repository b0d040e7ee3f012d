"""A pytest plugin: the fixture `n8n_bridge`, which is a bridge for the server files of a project.

pytest loads it wherever the package is installed, so nothing heavy is imported before a test asks
for the fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bridge.testing.running import RunningBridge

__all__ = ["RunningBridge", "n8n_bridge", "n8n_bridge_environ", "n8n_bridge_servers"]


def __getattr__(name: str) -> object:
    """Load the type of the fixture when somebody names it."""
    if name != "RunningBridge":
        raise AttributeError(name)
    from bridge.testing import running  # noqa: PLC0415 - see above

    return running.RunningBridge


@pytest.fixture
def n8n_bridge_servers(request: pytest.FixtureRequest) -> Path:
    """Return where the server files are: the nearest `config/servers` above the test."""
    for folder in request.path.parents:
        if (folder / "config" / "servers").is_dir():
            return folder / "config" / "servers"
    pytest.fail("no folder above this test has config/servers: override n8n_bridge_servers")


@pytest.fixture
def n8n_bridge_environ() -> Mapping[str, str]:
    """Return settings and variables of the server files that the test wants to be other ones."""
    return {}


@pytest.fixture
def n8n_bridge(
    n8n_bridge_servers: Path,
    n8n_bridge_environ: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningBridge]:
    """Run a bridge of real processes with a Valkey of its own, and a stand-in for n8n."""
    from bridge.testing.running import running_bridge  # noqa: PLC0415 - see above

    folder = tmp_path_factory.mktemp("n8n-bridge")
    with running_bridge(n8n_bridge_servers, folder, n8n_bridge_environ) as bridge:
        yield bridge
