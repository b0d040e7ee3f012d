"""The short form of `make proxies`: nginx, where it is installed."""

from pathlib import Path

import pytest

from tests.proxies.programs import PROGRAMS, SAMPLES
from tests.proxies.trials import rolling

NGINX = PROGRAMS[0]


def test_each_sample_is_tried() -> None:
    assert {program.sample for program in PROGRAMS} == {file.name for file in SAMPLES.iterdir()}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_each_sample_has_what_is_replaced_in_it(program: object) -> None:
    for silence_s in (None, 10):
        assert "127.0.0.1:3" in program.configuration(1, (3, 4), silence_s)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(NGINX.path is None, reason="there is no nginx on this machine")
async def test_nothing_fails_behind_nginx_while_every_process_is_replaced(tmp_path: Path) -> None:
    done = await rolling(tmp_path, NGINX, rounds=1, clients=1)
    assert done.failures == []
    assert done.restarts == 4
    assert done.calls > 4
