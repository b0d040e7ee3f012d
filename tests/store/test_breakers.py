"""Circuit breakers: an origin that fails is left in peace, by all workers alike."""

import asyncio
import json
from typing import Any

import pytest

from bridge.store.breakers import FAILURES, OPEN_CAP_S, OPEN_FIRST_S, PROBE_S, Breakers
from tests.store.records import HOSTILE, Desk

N8N = "http://n8n:5678"
KEY = "{bridge}:breakers"


@pytest.fixture
def breakers(web: Desk) -> Breakers:
    return Breakers(web.steps)


async def fail(breakers: Breakers, times: int = FAILURES, name: str = "s") -> list[bool]:
    """Have so many senders fail; tells of each whether it opened the circuit."""
    return [await breakers.failed(N8N, f"{name}{number}") for number in range(times)]


async def circuit(web: Desk) -> Any:
    found = await web.redis.hget(KEY, N8N)
    return json.loads(found) if found else None


async def let_rest_end(web: Desk, **changes: int) -> None:
    """Bring the end of an open circuit's rest about now."""
    rested = await circuit(web) | {"open_until": 1} | changes
    await web.redis.hset(KEY, N8N, json.dumps(rested))


async def test_a_healthy_origin_is_on_no_record(web: Desk, breakers: Breakers) -> None:
    assert await breakers.admit(N8N, "a") == 0
    assert not await breakers.worked(N8N)
    assert await web.redis.exists(KEY) == 0


async def test_so_many_failures_in_a_row_open_the_circuit_once(breakers: Breakers) -> None:
    assert await fail(breakers) == [False] * (FAILURES - 1) + [True]
    assert 0 < await breakers.admit(N8N, "late") <= OPEN_FIRST_S
    assert await fail(breakers, 3, "late") == [False] * 3


async def test_an_answer_in_between_starts_the_count_anew(breakers: Breakers) -> None:
    await fail(breakers, FAILURES - 1)
    assert await breakers.worked(N8N)
    await fail(breakers, FAILURES - 1, "again")

    assert await breakers.admit(N8N, "a") == 0


async def test_origins_fail_apart_and_workers_together(
    web: Desk, worker: Desk, breakers: Breakers
) -> None:
    await fail(breakers)
    others = Breakers(worker.steps)

    assert await others.admit(N8N, "a") > 0
    assert await others.admit("https://n8n.example.com:443", "a") == 0


async def test_of_many_one_probe_goes_through_when_the_rest_is_over(
    web: Desk, worker: Desk, breakers: Breakers
) -> None:
    await fail(breakers)
    await let_rest_end(web)
    others = Breakers(worker.steps)

    rests = await asyncio.gather(
        *(each.admit(N8N, f"{number}") for number in range(5) for each in (breakers, others))
    )

    # Each token was asked for by two workers: a step may be repeated and says the same.
    assert sorted(rest == 0 for rest in rests) == [False] * 8 + [True] * 2


async def test_a_probe_that_works_closes_the_circuit(web: Desk, breakers: Breakers) -> None:
    await fail(breakers)
    await let_rest_end(web)
    assert await breakers.admit(N8N, "probe") == 0

    assert await breakers.worked(N8N)

    assert await breakers.admit(N8N, "next") == 0
    assert await circuit(web) is None


async def test_each_probe_that_fails_doubles_the_rest_up_to_the_cap(
    web: Desk, breakers: Breakers
) -> None:
    await fail(breakers)
    rests = []
    for number in range(6):
        await let_rest_end(web)
        assert await breakers.admit(N8N, f"p{number}") == 0
        assert not await breakers.failed(N8N, f"p{number}")
        rests.append(await breakers.admit(N8N, "other"))

    wanted = [min(OPEN_FIRST_S * 2**times, OPEN_CAP_S) for times in range(1, 7)]
    assert rests == pytest.approx(wanted, abs=1)
    assert all(rest <= most for rest, most in zip(rests, wanted, strict=True))


async def test_a_probe_that_is_never_heard_of_again_makes_room_for_the_next(
    web: Desk, breakers: Breakers
) -> None:
    await fail(breakers)
    await let_rest_end(web)
    assert await breakers.admit(N8N, "lost") == 0
    assert (await circuit(web))["probe_until"] - await now_ms(web) <= PROBE_S * 1000
    assert await breakers.admit(N8N, "next") > 0

    await let_rest_end(web, probe_until=1)

    assert await breakers.admit(N8N, "next") == 0


async def now_ms(web: Desk) -> float:
    seconds, microseconds = await web.redis.time()
    return float(seconds) * 1000 + float(microseconds) / 1000


async def test_telling_of_a_failure_twice_counts_once(web: Desk, breakers: Breakers) -> None:
    await breakers.failed(N8N, "a")
    before = await web.everything()

    await breakers.failed(N8N, "a")

    assert await web.everything() == before


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
async def test_hostile_names_fail_for_themselves(web: Desk, breakers: Breakers, text: str) -> None:
    for number in range(FAILURES):
        await breakers.failed(text, f"{text}{number}")

    assert await breakers.admit(text, text) > 0
    assert await breakers.admit(N8N, text) == 0
    assert await breakers.worked(text)
