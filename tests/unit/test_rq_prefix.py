"""The prefix of RQ's keys: from the environment or `.env`, settled before RQ is first imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from bridge.rq_prefix import settle_prefix

LOOKS = """
import sys
from bridge.__main__ import commands
assert not [name for name in sys.modules if name.partition(".")[0] == "rq"]
commands(["--help"], standalone_mode=False)
try: commands(["check", "."], standalone_mode=False)
finally:
    from rq.queue import Queue
    print(Queue.redis_queue_namespace_prefix)
"""


@pytest.mark.parametrize(
    ("environ", "dotenv", "prefix"),
    [
        ({}, {}, None),
        ({"RQ_KEY_PREFIX": ""}, {}, None),
        ({}, {"RQ_KEY_PREFIX": "mine"}, "mine"),
        ({"RQ_KEY_PREFIX": "{bridge}:rq"}, {"RQ_KEY_PREFIX": "mine"}, "{bridge}:rq"),
    ],
)
def test_the_environment_goes_before_the_dotenv_file(
    environ: dict[str, str], dotenv: dict[str, str], prefix: str | None
) -> None:
    settle_prefix(environ, dotenv)

    assert environ.get("RQ_KEY_PREFIX") == prefix


@pytest.mark.parametrize("prefix", ["mine:", ":", "a b", "naïve", "a/b"])
def test_a_prefix_that_rq_would_not_take_or_write_another_way_is_a_fault(prefix: str) -> None:
    for environ, dotenv in (({"RQ_KEY_PREFIX": prefix}, {}), ({}, {"RQ_KEY_PREFIX": prefix})):
        with pytest.raises(ConfigurationError, match="must not end with a colon"):
            settle_prefix(environ, dotenv)


def test_a_prefix_in_the_dotenv_file_is_the_one_that_rq_uses(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RQ_KEY_PREFIX=mine\n")
    (tmp_path / "none.yaml").write_text("name: none\n")

    ran = subprocess.run(
        [sys.executable, "-c", LOOKS], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert ran.stdout.splitlines()[-1:] == ["mine:queue:"], ran.stderr
