"""Backups: what is restored goes on, and whatever is in the way changes nothing."""

import asyncio
import contextlib
import gzip
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bridge.configuration.settings import Settings
from bridge.errors import ConfigurationError
from bridge.local.valkey import EmbeddedValkey
from bridge.redis_faults import RESTORING
from bridge.store import restoring
from bridge.store.identity import IdentityStore
from bridge.store.keys import PREFIX
from bridge.store.safety import demand_safety
from bridge.verbs.mending import RESTORED
from tests.bridge_processes import Bridge, running_bridge
from tests.claude import use
from tests.commands import run
from tests.journeys import delivery, end_of, start_call, take_question
from tests.sentinels import replicated
from tests.store.call_records import new_call
from tests.store.records import WEB, Desk, desk
from tests.waiting import wait_until

FOREVER_S = 60.0
SAMPLE = Path(__file__).parent / "backups" / "format-1.gz"
"""What the first version that had backups made, of one event and one call; it expires in 2100."""

SAMPLE_EVENT, SAMPLE_CALL = "evt_qRk3GJzqr8QZpZLrFBiYMw", "call_KL_eAsCC2ZTUAD9MC2pksg"


async def test_what_a_running_bridge_held_goes_on_in_another_redis(tmp_path: Path) -> None:
    file = str(tmp_path / "backup.gz")
    async with running_bridge(tmp_path) as bridge, EmbeddedValkey(tmp_path / "other") as other:
        async with bridge.claude() as client:
            done = await end_of(client, await start_call(client, "once", "done"))
            going = await start_call(client, "once", "going", FOREVER_S)
            again = await start_call(client, "repeatable", "again", FOREVER_S)
            question = await take_question(bridge, client)
            sent = (await bridge.send("?", key="a key")).json()["event_id"]
            await wait_until(lambda: len(bridge.runs()) == 3, "n8n has all calls")
            assert (await run("backup", file, environ=bridge.environ))[0] == 0
        await move(bridge, other.url)
        status, said = await run("restore", file, environ=bridge.environ)
        assert status == 0
        assert "restored: events 2, calls 3, subscriptions 0, " in said
        assert (await run("restore", "--check", file, environ=bridge.environ))[0] == 0
        await asyncio.gather(bridge.add_web(), bridge.add_worker())
        async with bridge.claude() as client:
            assert await end_of(client, done["call_id"]) == done
            assert (await end_of(client, going))["failure"] == RESTORED
            await wait_until(lambda: len(bridge.runs("again")) == 2, "it runs again")
            assert await use(client, "cancel_call", call_id=again)
            assert len(bridge.runs("going")) == 1
            right = {"event_id": question.event_id, "lease": question.lease}
            await use(client, "reply_to_event", **right, reply="yes")
            assert (await delivery(bridge, question)).resumed_with == "yes"
        repeated = await bridge.send("?", key="a key")
        assert (repeated.status_code, repeated.json()["event_id"]) == (200, sent)


async def move(bridge: Bridge, redis_url: str) -> None:
    """End all processes; those that are added from here on have another Redis."""
    children = [*bridge.webs, *bridge.workers]
    for child in children:
        child.kill()
    await asyncio.gather(*(child.ended() for child in children))
    bridge.webs.clear()
    bridge.workers.clear()
    bridge.environ["BRIDGE_REDIS_URL"] = redis_url


@pytest.fixture
async def file(redis_url: str, tmp_path: Path) -> str:
    """Make a backup of an event and a call, which are still in Redis."""
    async with records(redis_url) as web:
        await web.accept(hook="h")
        await web.calls.create(new_call())
    made = str(tmp_path / "backup.gz")
    assert (await run("backup", made, environ=environ(redis_url)))[0] == 0
    return made


@contextlib.asynccontextmanager
async def records(redis_url: str) -> AsyncIterator[Desk]:
    """Write records as a process does that has left when the block ends."""
    async with Redis.from_url(redis_url) as redis:
        async with desk(redis, WEB) as web:
            await IdentityStore(web.steps).read("a-store")
            yield web
        await redis.delete(f"{PREFIX}processes")


def environ(redis_url: str) -> dict[str, str]:
    """Return what leads to a Redis."""
    return {"BRIDGE_REDIS_URL": redis_url}


async def everything(redis_url: str) -> dict[bytes, bytes | None]:
    """Read every key as Redis itself would copy it."""
    async with Redis.from_url(redis_url) as redis:
        return {key: await redis.dump(key) async for key in redis.scan_iter()}


async def refused(redis_url: str, *command: str) -> str:
    """Run a command that must change nothing; return its one sentence."""
    before = await everything(redis_url)
    status, said = await run(*command, environ=environ(redis_url))
    assert status == 1, said
    assert await everything(redis_url) == before
    (sentence,) = said.splitlines()
    return sentence


async def test_a_backup_is_for_its_owner_alone_and_leaves_a_line_in_the_audit(
    redis_url: str, file: str
) -> None:
    assert Path(file).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in Path(file).parent.glob("*backup*")] == ["backup.gz"]
    for command in (("backup", file), ("restore", "--replace", file)):
        _, said = await run(*command, environ=environ(redis_url))
        assert said.count('"logger": "audit"') == 1
        assert f'"what": "{command[0]}"' in said


async def test_what_a_later_version_wrote_is_not_left_out_without_a_word(
    redis_url: str, file: str
) -> None:
    async with Redis.from_url(redis_url) as redis:
        assert "left out" not in (await run("backup", file, environ=environ(redis_url)))[1]
        await redis.set(f"{PREFIX}dream:1", "")
        try:
            status, said = await run("backup", file, environ=environ(redis_url))
        finally:
            await redis.delete(f"{PREFIX}dream:1")
    assert (status, "does not know them: dream;" in said) == (0, True)


async def test_a_redis_that_holds_a_bridge_is_left_unless_it_is_to_be_replaced(
    redis_url: str, file: str
) -> None:
    async with records(redis_url) as web:
        later = await web.accept(hook="h")
    assert "--replace" in await refused(redis_url, "restore", file)
    async with Redis.from_url(redis_url) as redis:
        order = int(await redis.get(f"{PREFIX}order") or 0)
        assert (await run("restore", "--replace", file, environ=environ(redis_url)))[0] == 0
        assert not await redis.exists(f"{PREFIX}event:{later.event_id}")
        # Time does not run backwards, though the backup is older.
        assert int(await redis.get(f"{PREFIX}order") or 0) == order


async def test_a_restore_is_done_once_the_replicas_have_all_of_it(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "ACKNOWLEDGED_S", 0.1)
    async with replicated(tmp_path / "replicated", sentinels=()) as group:
        primary, replica = group.servers
        replicas = {"BRIDGE_REDIS_URL": primary.url, "BRIDGE_REPLICAS_MIN": "1"}
        replica.freeze()
        status, said = await run("restore", file, environ=replicas)
        assert (status, "fewer replicas than BRIDGE_REPLICAS_MIN=1" in said) == (1, True), said
        assert await primary.ask("DBSIZE") == 0

        replica.thaw()
        monkeypatch.setattr(restoring, "ACKNOWLEDGED_S", FOREVER_S)
        assert (await run("restore", file, environ=replicas))[0] == 0
        assert await replica.ask("DBSIZE") == await primary.ask("DBSIZE") > 0


async def test_nothing_is_restored_while_a_process_lives(redis_url: str, file: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        seconds, _ = await redis.time()
        await redis.zadd(f"{PREFIX}processes", {"web-1@1": int(seconds) * 1000 + 60_000})
    assert "web-1@1" in await refused(redis_url, "restore", "--replace", file)


async def test_a_redis_that_is_full_on_the_way_is_left_as_it_was(
    redis_url: str, tmp_path: Path
) -> None:
    async with records(redis_url) as web:
        for _ in range(20):
            await web.accept(os.urandom(100_000), hook="h")
    file = str(tmp_path / "large.gz")
    assert (await run("backup", file, environ=environ(redis_url)))[0] == 0
    async with Redis.from_url(redis_url) as redis:
        used = (await redis.info("memory"))["used_memory"]
        await redis.config_set("maxmemory", used + 500_000)
        try:
            assert "the store is full" in await refused(redis_url, "restore", "--replace", file)
        finally:
            await redis.config_set("maxmemory", 0)


async def test_what_redis_does_not_put_in_its_place_is_named_and_restored_by_the_next_try(
    redis_url: str, file: str
) -> None:
    async with Redis.from_url(redis_url) as redis:
        order = int(await redis.get(f"{PREFIX}order") or 0) + 1_000_000
        await redis.set(f"{PREFIX}order", order)  # the store has gone on since
        await redis.delete(*[key async for key in redis.scan_iter(f"{PREFIX}c*")])
        but_calls = [f"{PREFIX}[^c]*"]
        await redis.acl_setuser(
            "restorer", enabled=True, passwords=["+secret"], categories=["+@all"], keys=but_calls
        )
        try:
            address = redis_url.replace("//", "//restorer:secret@")
            command = ("restore", "--replace", file)
            status, said = await run(*command, environ=environ(address))
            assert (status, "permission" in said.lower()) == (1, True), said
            assert "restore again with --replace" in said
        finally:
            await redis.acl_deluser("restorer")
        assert (await run("restore", file, environ=environ(redis_url)))[0] == 0
        assert (await run("restore", "--check", file, environ=environ(redis_url)))[0] == 0
        assert int(await redis.get(f"{PREFIX}order") or 0) == order


async def test_a_redis_that_dies_on_the_way_is_left_as_it_was(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / "valkey") as valkey:
        async with records(valkey.url) as web:
            for _ in range(20):  # all at once may take longer than a step waits
                await asyncio.gather(*(web.accept(hook="h") for _ in range(100)))
        file = str(tmp_path / "backup.gz")
        assert (await run("backup", file, environ=environ(valkey.url)))[0] == 0
        before = await everything(valkey.url)
        async with Redis.from_url(valkey.url) as redis:
            pid = int((await redis.info("server"))["process_id"])
            command = run("restore", "--replace", file, environ=environ(valkey.url))
            restoring = asyncio.create_task(command)

            async def has_begun() -> bool:
                return await redis.dbsize() > len(before)

            await wait_until(has_begun, "records lie beside the store", 30)
        os.kill(pid, signal.SIGKILL)
        status, said = await restoring
        assert status == 1
        assert "the store does not answer" in said
        await valkey.wait()
        await valkey.start()
        after = await everything(valkey.url)
        assert {key: after[key] for key in after if b":restored:" not in key} == before
        assert (await run("restore", "--replace", file, environ=environ(valkey.url)))[0] == 0
        assert not any(b":restored:" in key for key in await everything(valkey.url))


async def test_a_store_that_is_half_restored_takes_no_step_until_it_is_restored_again(
    redis_url: str, file: str
) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.set(f"{PREFIX}layout", RESTORING)
        with pytest.raises(ConfigurationError, match="half restored"):  # as at every start
            await demand_safety(redis, Settings(allow_unsafe_redis=True))
    assert "half restored" in await refused(redis_url, "events", "ls")
    assert "half restored" in await refused(redis_url, "backup", file)
    assert (await run("restore", file, environ=environ(redis_url)))[0] == 0
    assert (await run("events", "ls", environ=environ(redis_url)))[0] == 0


async def test_what_is_no_whole_backup_changes_nothing_and_says_why(
    redis_url: str, file: str, tmp_path: Path
) -> None:
    broken, content = tmp_path / "broken", Path(file).read_bytes()
    for wrong, why in (
        (b"a text", "no backup of the bridge"),
        (content[: len(content) // 2], "cut short"),
        (content[:100] + bytes([content[100] ^ 8]) + content[101:], "damaged|no backup|cut short"),
        (gzip.compress(gzip.decompress(content).replace(b'"format":1', b'"format":2')), "later"),
    ):
        broken.write_bytes(wrong)
        sentence = await refused(redis_url, "restore", "--replace", str(broken))
        assert any(each in sentence for each in why.split("|")), sentence


async def test_a_disk_that_is_full_is_named_and_no_file_is_left(redis_url: str, file: str) -> None:
    assert file
    with Path("/dev/full").open("wb") as full:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge", "backup", "-"),
            env=os.environ | environ(redis_url),
            stdout=full,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().strip() == "stdout: No space left on device"


async def test_a_backup_takes_the_place_of_no_pipe_and_of_no_link(
    redis_url: str, file: str, tmp_path: Path
) -> None:
    pipe, link, loop = tmp_path / "pipe", tmp_path / "link", tmp_path / "loop"
    loop.symlink_to(loop)
    assert "is no file" in await refused(redis_url, "backup", str(loop))
    os.mkfifo(pipe)
    assert "with - the backup goes to stdout" in await refused(redis_url, "backup", str(pipe))
    assert pipe.is_fifo()
    # As a shell hands over what another program writes.
    feeding = asyncio.create_task(asyncio.to_thread(pipe.write_bytes, Path(file).read_bytes()))
    status, said = await run("restore", "--check", str(pipe), environ=environ(redis_url))
    await feeding
    assert (status, "every record" in said) == (0, True)
    link.symlink_to(file)
    Path(file).write_bytes(b"an earlier one")
    assert (await run("backup", str(link), environ=environ(redis_url)))[0] == 0
    assert link.is_symlink()
    assert (await run("restore", "--check", file, environ=environ(redis_url)))[0] == 0


async def test_a_backup_that_is_ended_by_a_signal_leaves_no_file(
    redis_url: str, tmp_path: Path
) -> None:
    async with records(redis_url) as web:
        await asyncio.gather(*(web.accept(os.urandom(50_000), hook="h") for _ in range(200)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "backup", str(tmp_path / "backup.gz")),
        env=os.environ | environ(redis_url),
        stderr=asyncio.subprocess.PIPE,
    )

    def is_begun() -> bool:
        return any(each.stat().st_size for each in tmp_path.iterdir())

    await wait_until(is_begun, "a part of it is written", 30)
    process.terminate()
    _, said = await process.communicate()
    assert (process.returncode, said.decode().strip()) == (1, "Aborted!")
    assert list(tmp_path.iterdir()) == []


async def test_calls_that_were_not_sent_run_only_where_nothing_can_have_run_since(
    redis_url: str, file: str, tmp_path: Path
) -> None:
    async def restored(*options: str) -> tuple[str, str]:
        status, said = await run("restore", *options, file, environ=environ(redis_url))
        assert status == 0, said
        _, calls = await run("calls", "ls", "--json", environ=environ(redis_url))
        return said, json.loads(calls.splitlines()[0])["status"]

    said, status = await restored("--replace")
    assert "1 calls that were not sent run once a worker does" in said
    assert status == "queued"
    said, status = await restored("--replace", "--went-on")
    assert "not sent" not in said
    assert status == "failed"
    async with records(redis_url) as web:  # of the same bridge, which has gone on
        await web.accept(hook="h")
    assert (await restored("--replace"))[1] == "failed"


async def test_a_clock_that_is_behind_the_backup_is_told(
    redis_url: str, file: str, tmp_path: Path
) -> None:
    text = gzip.decompress(Path(file).read_bytes())
    heading, *lines, last = text.splitlines(keepends=True)
    told = json.loads(heading)
    told["made_at_ms"] += 60_000
    changed = b"".join([json.dumps(told).encode(), b"\n", *lines])
    ending = json.dumps({"end": json.loads(last)["end"], "sha256": sha256(changed).hexdigest()})
    later = tmp_path / "later.gz"
    later.write_bytes(gzip.compress(changed + ending.replace(" ", "").encode() + b"\n"))
    command = ("restore", "--replace")
    assert "the clock of" not in (await run(*command, file, environ=environ(redis_url)))[1]
    status, said = await run(*command, str(later), environ=environ(redis_url))
    assert (status, "the clock of Redis is behind" in said) == (0, True)


async def test_a_comparison_names_what_is_not_there(redis_url: str, file: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        (event,) = [key async for key in redis.scan_iter(f"{PREFIX}event:*")]
        await redis.delete(event)
    status, said = await run("restore", "--check", file, environ=environ(redis_url))
    assert status == 1
    assert event.decode().removeprefix(PREFIX) in said


async def test_a_backup_of_the_first_format_is_restored(redis_url: str) -> None:
    assert (await run("restore", str(SAMPLE), environ=environ(redis_url)))[0] == 0
    _, event = await run("events", "show", SAMPLE_EVENT, "--json", environ=environ(redis_url))
    assert json.loads(event)["status"] == "queued"
    _, call = await run("calls", "show", SAMPLE_CALL, "--json", environ=environ(redis_url))
    assert json.loads(call)["failure"] == RESTORED
