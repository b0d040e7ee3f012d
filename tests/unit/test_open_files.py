"""A process makes room for its streams among its open files, or says that it cannot."""

import subprocess
import sys

import pytest

PROGRAM = """
import logging, resource, sys
from bridge.local.ports import make_room
logging.basicConfig(format="%(message)s %(open_files_max)s", stream=sys.stdout)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 3000))
make_room({streams})
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("streams", "said"), [(1000, "2000\n"), (2000, "3000\n"), (5000, "files.few 3000\n3000\n")]
)
def test_the_limit_is_raised_as_far_as_it_may_be(streams: int, said: str) -> None:
    program = PROGRAM.format(streams=streams)
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout == said
