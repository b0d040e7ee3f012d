"""Steps: many a round trip, each on its own, repeated while Redis is away."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from bridge.errors import StoreUnavailableError
from bridge.local.valkey import EmbeddedValkey
from bridge.store.assembly import Scripts
from bridge.store.keys import PREFIX
from bridge.store.lua_files import FOLDER, read_modules
from bridge.store.steps import BATCH_MAX, RUN_BYTES_MAX, RUNS_MAX, Step, Steps, step
from tests.waiting import impatient, wait_until

TRIAL = """\
-- Steps to try the writer with.
local clock = require 'clock'
local counters = require 'counters'
local keys = require 'keys'
local trial = {}

-- Returns a text.
-- step trial.echo(text) -> text
function trial.echo(text) return text end

-- Returns its arguments the other way round.
-- step trial.swap(first, second) -> {second, first}
function trial.swap(first, second) return {second = second, first = first} end

-- Returns nothing.
-- step trial.nothing() -> nothing
function trial.nothing() return 1 end

-- Returns when it was run among others.
-- step trial.order() -> {order, name}
function trial.order() return {order = clock.next_order(), name = 'NAME'} end

-- Writes.
-- step trial.write(name) -> text
function trial.write(name)
  redis.call('ZADD', keys.due_calls(), clock.now_ms, name)
  return name
end

-- Is counted and gets an order number, then fails, unless all is well.
-- step trial.count(text) -> text
function trial.count(text)
  counters.add(2, 'trial', text)
  local order = clock.next_order()
  return text == 'well' and order or trial.missing(text)
end

-- Writes at an order number, unless there is nothing to write.
-- step trial.store(text) -> text
function trial.store(text)
  if text == '' then return 'read' end
  redis.call('ZADD', keys.due_calls(), clock.next_order(), text)
  return text
end

-- Fails, unless all is well.
-- step trial.fail(text) -> text
function trial.fail(text) return text == 'well' and text or redis.error_reply('ERR ' .. text) end

-- Fails within a function, unless all is well.
-- step trial.crash(text) -> text
function trial.crash(text)
  return text == 'well' and text or trial.missing(text)
end

-- Reads what there is not.
function trial.missing(text)
  local nothing
  return text .. nothing
end

return trial
"""


def trial(name: str = "one") -> Scripts:
    """Make the steps above, which differ from others of another name."""
    names = ("clock.lua", "counters.lua", "layouts.lua")
    texts = {f"lua/{name}": (FOLDER / name).read_text() for name in names}
    return Scripts(read_modules(texts | {"lua/trial.lua": TRIAL.replace("NAME", name)}))


class Swapped(NamedTuple):
    """Arguments the other way round."""

    first: str
    second: str


class Ordered(NamedTuple):
    """When a step was run, and which."""

    order: int
    name: str


@step("trial.echo", trial())
async def echo(steps: Steps, *, text: str) -> str:
    raise NotImplementedError


@step("trial.swap", trial())
async def swap(steps: Steps, *, first: bytes, second: str) -> Swapped:
    raise NotImplementedError


@step("trial.nothing", trial())
async def nothing(steps: Steps) -> None:
    raise NotImplementedError


@step("trial.write", trial())
async def write(steps: Steps, *, name: str) -> str:
    raise NotImplementedError


@step("trial.count", trial())
async def count(steps: Steps, *, text: str) -> str:
    raise NotImplementedError


@step("trial.store", trial())
async def store(steps: Steps, *, text: str) -> str:
    raise NotImplementedError


@step("trial.fail", trial())
async def fail(steps: Steps, *, text: str) -> str:
    raise NotImplementedError


@step("trial.crash", trial())
async def crash(steps: Steps, *, text: str) -> str:
    raise NotImplementedError


def ordering(name: str) -> Step[[], Ordered]:
    """Make a step with a script of its own, which says when it is run."""

    @step("trial.order", trial(name))
    async def order(steps: Steps) -> Ordered:
        raise NotImplementedError

    return order


@asynccontextmanager
async def steps_on(
    url: str, patience_s: float = 30, *, is_insistent: bool = False, answer_s: float = 2
) -> AsyncIterator[Steps]:
    """Run steps on a connection that is set up as a process sets up its own."""
    pool = BlockingConnectionPool.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_timeout=answer_s
    )
    async with Redis.from_pool(pool) as client:
        steps = Steps(client, patience_s, is_insistent=is_insistent)
        async with steps.running():
            yield steps


@pytest.fixture
async def steps(redis_url: str) -> AsyncIterator[Steps]:
    async with steps_on(redis_url) as running:
        yield running


async def test_a_step_has_its_arguments_and_its_answer_by_name(steps: Steps) -> None:
    assert await swap(steps, second="2", first=b"1") == Swapped("1", "2")


async def test_a_step_without_an_answer_returns_none(steps: Steps) -> None:
    assert list(await asyncio.gather(nothing(steps))) == [None]


async def test_steps_that_gather_go_in_few_round_trips(steps: Steps, redis: Redis) -> None:
    await echo(steps, text="warm")
    before = (await redis.info("stats"))["total_reads_processed"]

    answers = await asyncio.gather(*(echo(steps, text=str(n)) for n in range(BATCH_MAX)))

    after = (await redis.info("stats"))["total_reads_processed"]
    assert answers == [str(n) for n in range(BATCH_MAX)]
    assert after - before < 10


async def test_more_steps_than_a_batch_holds_are_all_run_in_order(steps: Steps) -> None:
    order = ordering("one")
    await order(steps)

    answers = await asyncio.gather(*(order(steps) for _ in range(3 * BATCH_MAX)))

    orders = [answer.order for answer in answers]
    assert orders == sorted(set(orders))


@pytest.mark.parametrize("wrong", [fail, crash], ids=["error", "crash"])
async def test_a_step_that_fails_fails_alone(steps: Steps, wrong: Step[..., str]) -> None:
    asked = (echo(steps, text="1"), wrong(steps, text="no"), echo(steps, text="2"))
    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert (answers[0], answers[2]) == ("1", "2")
    assert isinstance(answers[1], ResponseError)


async def test_an_error_of_lua_names_the_line_of_the_file(steps: Steps) -> None:
    with pytest.raises(ResponseError, match="nothing") as failed:
        await crash(steps, text="no")

    (line,) = [n for n, row in enumerate(TRIAL.splitlines(), 1) if "text .. nothing" in row]
    assert failed.value.__notes__ == [f"in lua/trial.lua:{line}, in the step trial.crash"]


async def test_a_step_that_lacks_an_argument_hurts_no_other(steps: Steps) -> None:
    with pytest.raises(KeyError):
        await echo(steps)  # type: ignore[call-arg]

    assert await echo(steps, text="1") == "1"


async def test_a_text_that_has_no_utf8_form_hurts_no_other(steps: Steps) -> None:
    assert await echo(steps, text="half \ud83e") == "half ?"
    assert await echo(steps, text="1") == "1"


async def test_scripts_that_redis_has_forgotten_are_loaded_again(
    steps: Steps, redis: Redis
) -> None:
    for _ in range(3):
        await redis.script_flush()
        answers = await asyncio.gather(*(echo(steps, text=str(n)) for n in range(300)))
        assert answers == [str(n) for n in range(300)]


async def test_the_first_step_of_a_script_keeps_its_place(steps: Steps) -> None:
    later = ordering("a script of its own")
    await later(steps)
    first = ordering("a script that nobody has used")

    answers = await asyncio.gather(first(steps), later(steps))

    assert answers[0].order < answers[1].order


@pytest.mark.parametrize("is_known", [True, False], ids=["of before", "never used"])
async def test_a_step_keeps_its_place_where_redis_knows_the_scripts_of_later_ones_only(
    steps: Steps, redis: Redis, redis_url: str, is_known: bool
) -> None:
    """Redis has lost its scripts, and another process has brought one of them back."""
    first, later = ordering("first"), ordering("later")
    for order in (first, later) if is_known else (first,):
        await order(steps)
    await redis.script_flush()
    async with steps_on(redis_url) as other_process:
        await later(other_process)

    answers = await asyncio.gather(first(steps), later(steps), first(steps))

    assert [answer.name for answer in answers] == ["first", "later", "first"]
    orders = [answer.order for answer in answers]
    assert orders == sorted(orders)


async def test_an_errand_goes_in_the_round_trip_of_its_step_behind_it(
    steps: Steps, redis: Redis
) -> None:
    def note(pipeline: Pipeline) -> None:
        pipeline.zrange(f"{PREFIX}due_calls", 0, -1)
        pipeline.copy(f"{PREFIX}due_calls", f"{PREFIX}copied")

    await write(steps, name="before")
    before = await redis.info("stats")
    assert await write.with_errand(steps, note, name="it") == "it"

    after = await redis.info("stats")
    assert after["total_reads_processed"] - before["total_reads_processed"] == 2  # INFO is one
    assert await redis.zcard(f"{PREFIX}copied") == 2
    await redis.delete(f"{PREFIX}copied")


async def test_an_errand_is_run_again_where_its_step_is(steps: Steps, redis: Redis) -> None:
    await write(steps, name="before")
    await redis.script_flush()

    await write.with_errand(steps, lambda pipeline: pipeline.incr("errands"), name="it")

    assert await redis.get("errands") == b"2"
    await redis.delete("errands")


async def test_an_errand_that_redis_refuses_hurts_no_step(steps: Steps) -> None:
    def refused(pipeline: Pipeline) -> None:
        pipeline.execute_command("NO SUCH COMMAND")

    answers = await asyncio.gather(
        write.with_errand(steps, refused, name="it"), echo(steps, text="1")
    )

    assert [*answers] == ["it", "1"]


async def test_a_step_that_can_wait_goes_in_the_round_trip_of_the_next_in_front_of_it(
    steps: Steps, redis: Redis
) -> None:
    first, later = ordering("it"), ordering("next")
    await asyncio.gather(first(steps), later(steps))
    before = (await redis.info("stats"))["total_reads_processed"]

    patient = asyncio.create_task(first.before_others(steps, 3600))
    await asyncio.sleep(0)
    next_ = await later(steps)

    assert (await patient).order < next_.order
    after = (await redis.info("stats"))["total_reads_processed"]
    assert after - before == 2  # INFO is one


async def test_a_step_that_can_wait_is_run_alone_where_none_comes(steps: Steps) -> None:
    async with asyncio.timeout(2):
        assert (await ordering("alone").before_others(steps, 0.01)).name == "alone"


async def test_a_step_is_run_even_if_whoever_asked_has_gone(steps: Steps, redis: Redis) -> None:
    asking = asyncio.create_task(write(steps, name="left"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    async def is_written() -> bool:
        return await redis.zscore("{bridge}:due_calls", "left") is not None

    await wait_until(is_written, "the step has run")


async def cut(redis: Redis) -> None:
    """End every connection but this one."""
    await redis.client_kill_filter(_type="normal", skipme=True)


async def test_steps_outlive_connections_that_break(
    steps: Steps, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    for round_ in range(20):
        asking = [asyncio.create_task(write(steps, name=f"{round_}-{n}")) for n in range(20)]
        await cut(redis)
        assert await asyncio.gather(*asking) == [f"{round_}-{n}" for n in range(20)]
    assert await redis.zcard("{bridge}:due_calls") == 400
    assert "redis.away" in caplog.messages


async def refuse_writes(redis: Redis) -> None:
    await redis.config_set("maxmemory", 1)


async def accept_writes(redis: Redis) -> None:
    await redis.config_set("maxmemory", 0)


async def follow_nobody_there(redis: Redis) -> None:
    await redis.replicaof("127.0.0.1", 1)


async def follow_nobody_there_strictly(redis: Redis) -> None:
    await redis.config_set("replica-serve-stale-data", "no")
    await follow_nobody_there(redis)


async def lead(redis: Redis) -> None:
    await redis.replicaof("NO", "ONE")
    await redis.config_set("replica-serve-stale-data", "yes")


Act = Callable[[Redis], Awaitable[None]]


async def want_replicas(redis: Redis) -> None:
    await redis.config_set("min-replicas-to-write", 1)


async def want_no_replicas(redis: Redis) -> None:
    await redis.config_set("min-replicas-to-write", 0)


@pytest.mark.parametrize(
    ("hinder", "help_", "why"),
    [
        (refuse_writes, accept_writes, "the store is full"),
        (follow_nobody_there, lead, "this Redis is a replica, so BRIDGE_REDIS_URL must lead"),
        (follow_nobody_there_strictly, lead, "a replica that has lost its primary"),
        (want_replicas, want_no_replicas, "min-replicas-to-write"),
    ],
    ids=["out of memory", "read only", "without its master", "without replicas"],
)
async def test_a_redis_that_cannot_write_for_now_is_waited_for_and_says_why(
    redis_url: str,
    redis: Redis,
    hinder: Act,
    help_: Act,
    why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await hinder(redis)
    try:
        async with steps_on(redis_url, patience_s=1) as hasty:
            with pytest.raises(StoreUnavailableError, match=why):
                await write(hasty, name="hasty")
        assert [why in str(getattr(record, "reason", "")) for record in caplog.records] == [True]
        async with steps_on(redis_url, is_insistent=True) as patient:
            asking = asyncio.create_task(write(patient, name="patient"))
            await asyncio.wait([asking], timeout=0.3)
            assert not asking.done()
            await help_(redis)
            assert await asking == "patient"
    finally:
        await help_(redis)
    assert await redis.zrange("{bridge}:due_calls", 0, -1) == [b"patient"]


async def test_steps_are_repeated_until_redis_is_back(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server, steps_on(server.url, 30) as steps:
        await write(steps, name="before")
        await server.stop()
        asking = [asyncio.create_task(write(steps, name=str(n))) for n in range(300)]
        await asyncio.wait(asking, timeout=0.2)
        assert not any(task.done() for task in asking)

        await server.start()

        assert await asyncio.gather(*asking) == [str(n) for n in range(300)]
        async with Redis.from_url(server.url) as redis:
            assert await redis.zcard("{bridge}:due_calls") == 301


async def test_steps_are_given_up_when_their_patience_ends(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server, steps_on(server.url, 30) as steps:
        await echo(steps, text="before")
        await server.stop()

        with impatient(steps):
            outcomes = await asyncio.gather(
                *(echo(steps, text=str(n)) for n in range(3 * BATCH_MAX)), return_exceptions=True
            )

        assert {type(outcome) for outcome in outcomes} == {StoreUnavailableError}
        assert {
            outcome.retry_after_s
            for outcome in outcomes
            if isinstance(outcome, StoreUnavailableError)
        } == {2}
        await server.start()
        assert await echo(steps, text="after") == "after"


async def test_steps_that_are_under_way_when_the_process_ends_are_given_up(redis: Redis) -> None:
    steps = Steps(redis, 60)
    async with steps.running():
        await echo(steps, text="1")
        await redis.client_pause(60_000, all=False)
        asking = asyncio.create_task(echo(steps, text="2"))
        await asyncio.wait([asking], timeout=0.1)
    await redis.client_unpause()

    with pytest.raises(StoreUnavailableError):
        await asking


async def test_a_step_that_fails_after_whoever_asked_has_gone_troubles_nobody(
    steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    asking = asyncio.create_task(fail(steps, text="no"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    await echo(steps, text="after")
    del asking
    gc.collect()

    assert caplog.messages == []


async def test_what_only_people_can_mend_is_said_at_once_and_the_log_says_when_it_is_over(
    redis_url: str, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await refuse_writes(redis)
    try:
        async with steps_on(redis_url, patience_s=3600) as steps:
            for _ in range(3):
                with pytest.raises(StoreUnavailableError, match="full: raise the maxmemory"):
                    await write(steps, name="no")
                assert await echo(steps, text="1") == "1"
            await accept_writes(redis)
            assert await write(steps, name="yes") == "yes"
            assert steps.fault is None
    finally:
        await accept_writes(redis)
    caplog.set_level("INFO")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("ERROR", "redis.away")
    ]


@pytest.mark.parametrize(
    ("credentials", "why"),
    [
        (":wrong@", "the user or the password in BRIDGE_REDIS_URL is wrong"),
        ("", "Redis wants a password"),
        ("nobody:wrong@", "the user or the password in BRIDGE_REDIS_URL is wrong"),
        ("reader:secret@", r"gives? .*rights|these rights: ~\{bridge\}:\*"),
        ("keyless:secret@", r"these rights: ~\{bridge\}:\*"),
    ],
    ids=["wrong password", "no password", "no such user", "no such command", "no such key"],
)
async def test_a_redis_that_refuses_the_bridge_is_not_waited_for_and_told_in_no_secret(
    locked: str, credentials: str, why: str
) -> None:
    host = locked.partition("@")[2]
    async with steps_on(f"redis://{credentials}{host}", patience_s=3600) as steps:
        with pytest.raises(StoreUnavailableError, match=why) as refused:
            await write(steps, name="no")
    assert "wrong@" not in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.fixture(scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Return the address of a Redis with a password and with users who may not do everything."""
    async with EmbeddedValkey(tmp_path_factory.mktemp("locked"), tcp=True) as server:
        async with Redis.from_url(server.url) as redis:
            for name, rights in (("reader", "~* &* +@read"), ("keyless", "~other:* &* +@all")):
                rule = ("ACL", "SETUSER", name, "on", ">secret", *rights.split(), "+hello")
                await redis.execute_command(*rule)  # type: ignore[no-untyped-call]
        yield server.url


async def test_a_redis_that_hangs_costs_a_step_its_patience_and_no_more(tmp_path: Path) -> None:
    async with (
        EmbeddedValkey(tmp_path) as server,
        steps_on(server.url, patience_s=2, answer_s=3600) as steps,
    ):
        async with Redis.from_url(server.url) as redis:
            pid = (await redis.info("server"))["process_id"]
        await echo(steps, text="before")
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(10):
                for _ in range(2):
                    with pytest.raises(StoreUnavailableError, match="Redis hangs"):
                        await write(steps, name="late")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert await echo(steps, text="after") == "after"


async def test_steps_of_one_script_that_wait_together_are_one_command(
    steps: Steps, redis: Redis
) -> None:
    names = [str(n) for n in range(RUNS_MAX + 1)]
    await asyncio.gather(write(steps, name="warm"), swap(steps, first=b"", second=""))
    before = await scripts_run(redis)

    answers = await asyncio.gather(
        swap(steps, first=b"1", second="2"),
        *(write(steps, name=name) for name in names),
        swap(steps, first=b"3", second="4"),
    )

    assert answers == [Swapped("1", "2"), *names, Swapped("3", "4")]
    assert await scripts_run(redis) - before == 4


async def test_long_arguments_are_not_held_up_by_each_other(steps: Steps, redis: Redis) -> None:
    long = "x" * (RUN_BYTES_MAX // 2)
    await echo(steps, text="warm")
    before = await scripts_run(redis)

    assert await asyncio.gather(*(echo(steps, text=long) for _ in range(6))) == [long] * 6

    assert await scripts_run(redis) - before == 3


async def scripts_run(redis: Redis) -> int:
    """Count the scripts that Redis has run."""
    stats = await redis.info("commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])


@pytest.mark.parametrize("wrong", [fail, crash], ids=["error", "crash"])
async def test_a_run_that_fails_fails_alone_among_others_of_its_script(
    steps: Steps, wrong: Step[..., str]
) -> None:
    asked = (wrong(steps, text=text) for text in ("well", "no", "well"))
    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert (answers[0], answers[2]) == ("well", "well")
    assert isinstance(answers[1], ResponseError)


async def test_what_runs_gather_is_written_once_behind_the_last_of_them(
    steps: Steps, redis: Redis
) -> None:
    await asyncio.gather(count(steps, text="well"), swap(steps, first=b"", second=""))
    before = await redis.info("commandstats")

    asked = (count(steps, text=text) for text in ("well", "no", "well"))
    answers = await asyncio.gather(*asked, return_exceptions=True)

    after = await redis.info("commandstats")
    for command, times in {"cmdstat_set": 1, "cmdstat_hincrby": 2}.items():
        assert after[command]["calls"] - before[command]["calls"] == times
    assert isinstance(answers[1], ResponseError)
    assert await redis.get("{bridge}:order") == str(answers[2]).encode()
    assert int(str(answers[0])) + 2 <= int(str(answers[2]))
    assert await redis.hgetall("{bridge}:counters") == {b"trial|well": b"6", b"trial|no": b"2"}


async def test_a_lone_run_that_fails_keeps_what_it_gathered(steps: Steps, redis: Redis) -> None:
    with pytest.raises(ResponseError):
        await count(steps, text="no")

    kept = await redis.get("{bridge}:order")
    assert await redis.hgetall("{bridge}:counters") == {b"trial|no": b"2"}
    assert int(await count(steps, text="well")) > int(kept or 0)


async def test_a_run_that_only_reads_is_answered_while_a_full_redis_refuses_its_neighbour(
    steps: Steps, redis: Redis
) -> None:
    """What the refused one has gathered is refused too, and hurts nobody else."""
    await asyncio.gather(store(steps, text="warm"), echo(steps, text=""))
    kept = await redis.get("{bridge}:order")
    await refuse_writes(redis)
    try:
        async with asyncio.timeout(30):
            asking = asyncio.gather(
                store(steps, text="new"), store(steps, text=""), return_exceptions=True
            )
            refused, read = await asking
    finally:
        await accept_writes(redis)

    assert isinstance(refused, StoreUnavailableError)
    assert read == "read"
    assert await redis.get("{bridge}:order") == kept
