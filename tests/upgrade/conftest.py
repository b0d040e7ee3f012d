"""The earlier version, unpacked once."""

from pathlib import Path

import pytest

from tests.upgrade.earlier import unpack


@pytest.fixture(scope="session")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the modules of the earlier version."""
    return unpack(tmp_path_factory.mktemp("earlier"))
