"""The keys by which it is told who asks: the same in all processes, rotated while tokens fly."""

import asyncio
from pathlib import Path
from typing import Any

import jwt
import pytest
from redis.asyncio import Redis

from bridge.auth.caller_tokens import ALGORITHM
from bridge.errors import StoreUnavailableError
from bridge.local.valkey import EmbeddedValkey
from bridge.models import CallId, Json, Principal
from bridge.runtime import Runtime
from bridge.store.caller_keys import CallerKeyStore
from bridge.store.keys import PREFIX
from bridge.store.steps import Steps
from bridge.verbs import caller_keys
from bridge.verbs.caller_keys import ANNOUNCED_S, KEPT_S, CallerKeys, Told, asker
from tests.waiting import wait_until

ISSUER = "https://bridge.example.com"
TOLD = Told(CallId("call_1"), "stamp", "https://N8N.example.com:443/webhook/stamp")
ALICE = asker(Principal("desk", "alice"), {"client": "claude-code"})
KEYS = f"{PREFIX}caller_keys"


def callers(runtime: Runtime) -> CallerKeys:
    """Return the keys of one more process on this Redis, which hears of no rotation."""
    return CallerKeys(CallerKeyStore(runtime.steps), ISSUER)


async def read(
    token: str, *published: CallerKeys, audience: str = "https://n8n.example.com"
) -> Any:
    """Verify a token by what processes publish, as a workflow would."""
    keys: dict[str, Any] = {}
    for each in published:
        found = jwt.PyJWKSet.from_dict(await each.published())
        keys |= {str(key.key_id): key for key in found.keys}
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, [ALGORITHM], audience=audience, issuer=ISSUER)


async def key_ids(keys: CallerKeys) -> list[str]:
    published: Any = await keys.published()
    return [key["kid"] for key in published["keys"]]


async def pass_time(redis: Redis, ms: int) -> None:
    """Have all keys have been made so long ago."""
    for key_id, kept in (await redis.hgetall(KEYS)).items():
        text = kept.decode() if isinstance(kept, bytes) else kept
        times, private = text.split("\n", 1)
        signs_at, ends_at = map(int, times.split())
        await redis.hset(KEYS, key_id, f"{signs_at - ms} {ends_at and ends_at - ms}\n{private}")


async def test_a_workflow_is_told_who_asks_for_which_call_and_where(web: Runtime) -> None:
    keys = callers(web)
    claims = await read(await keys.token(ALICE, TOLD), keys)

    assert claims.pop("exp") - claims.pop("iat") == 300
    assert len(claims.pop("jti")) > 20
    assert claims == {
        "iss": ISSUER,
        "aud": "https://n8n.example.com",
        "server": "desk",
        "name": "alice",
        "client": "claude-code",
        "call_id": "call_1",
        "workflow": "stamp",
    }


@pytest.mark.parametrize(
    ("principal", "more", "told"),
    [
        ("alice", {}, {"name": "alice"}),
        ("~auth0%7Cann%40x", {}, {"name": "~auth0%7Cann%40x", "sub": "auth0|ann@x"}),
        ("bob", {"operator": "eve"}, {"name": "bob", "act": {"sub": "eve"}}),
    ],
)
def test_who_asks_is_a_principal_and_perhaps_a_subject(
    principal: str, more: dict[str, Json], told: dict[str, Json]
) -> None:
    assert asker(Principal("desk", principal), more) == {"server": "desk", **told}


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        ("http://n8n:5678/webhook/a", "http://n8n:5678"),
        ("http://n8n:80/webhook/a", "http://n8n"),
        ("https://[::1]:5678/webhook/a?b", "https://[::1]:5678"),
        ("https://BÜCHER.example/webhook/a", "https://xn--bcher-kva.example"),
    ],
)
async def test_a_token_is_for_the_origin_of_the_webhook(
    web: Runtime, url: str, audience: str
) -> None:
    keys = callers(web)
    token = await keys.token(ALICE, Told(CallId("call_1"), "a", url))

    assert await read(token, keys, audience=audience)
    with pytest.raises(jwt.InvalidAudienceError):
        await read(token, keys, audience="http://another")


async def test_each_token_is_another(web: Runtime) -> None:
    keys = callers(web)
    tokens = [await read(await keys.token(ALICE, TOLD), keys) for _ in range(3)]

    assert len({token["jti"] for token in tokens}) == 3


async def test_processes_that_start_at_once_have_one_key(web: Runtime, worker: Runtime) -> None:
    processes = [callers(runtime) for runtime in (web, worker) for _ in range(20)]

    tokens = await asyncio.gather(*(each.token(ALICE, TOLD) for each in processes))

    assert len({jwt.get_unverified_header(token)["kid"] for token in tokens}) == 1
    assert await read(tokens[-1], processes[0])


async def test_a_key_that_is_known_costs_no_command(web: Runtime) -> None:
    keys = callers(web)
    await keys.token(ALICE, TOLD)
    before = await web.redis.info("commandstats")

    for _ in range(50):
        await keys.token(ALICE, TOLD)

    after = await web.redis.info("commandstats")
    assert before.get("cmdstat_evalsha", {}).get("calls") == after["cmdstat_evalsha"]["calls"]


async def test_nobody_who_reads_the_keys_sees_a_rotation(web: Runtime, worker: Runtime) -> None:
    signing, reading = callers(worker), callers(web)
    early = await signing.token(ALICE, TOLD)
    (first,) = await key_ids(reading)

    new = await reading.rotate(is_leaked=False)

    assert new.status == "next"
    late = callers(web)
    assert await key_ids(late) == [first, new.key.key_id], "it is published before it signs"
    assert await read(await callers(worker).token(ALICE, TOLD), reading)
    await pass_time(web.redis, ANNOUNCED_S * 1000)
    signed = await callers(worker).token(ALICE, TOLD)
    assert jwt.get_unverified_header(signed)["kid"] == new.key.key_id
    assert await read(signed, late), "who read the keys ten minutes ago knows it"
    assert await read(early, callers(web)), "what the earlier one has signed counts still"
    assert [each.status for each in await reading.listed()] == ["counts", "signs"]
    await pass_time(web.redis, KEPT_S * 1000)
    assert await key_ids(callers(web)) == [new.key.key_id]


async def test_a_key_that_is_leaked_counts_no_more(web: Runtime, worker: Runtime) -> None:
    forged = await callers(worker).token(ALICE, TOLD)

    new = await callers(web).rotate(is_leaked=True)

    assert await key_ids(callers(web)) == [new.key.key_id]
    with pytest.raises(KeyError):
        await read(forged, callers(web))
    assert await read(await callers(worker).token(ALICE, TOLD), callers(web))


async def test_all_processes_hear_of_a_rotation(web: Runtime, worker: Runtime) -> None:
    signing = worker.workers.callers
    await signing.token(ALICE, TOLD)

    new = await callers(web).rotate(is_leaked=True)

    async def signs_with_it() -> bool:
        token = await signing.token(ALICE, TOLD)
        return bool(jwt.get_unverified_header(token)["kid"] == new.key.key_id)

    await wait_until(signs_with_it, "the worker signs with the new key")


async def test_rotating_twice_leaves_one_key_that_signs_next(web: Runtime) -> None:
    keys = callers(web)
    await keys.token(ALICE, TOLD)
    await keys.rotate(is_leaked=False)

    last = await keys.rotate(is_leaked=False)

    await pass_time(web.redis, ANNOUNCED_S * 1000)
    assert [each.status for each in await keys.listed()] == ["counts", "counts", "signs"]
    signed = await callers(web).token(ALICE, TOLD)
    assert jwt.get_unverified_header(signed)["kid"] == last.key.key_id


async def test_a_redis_that_went_back_in_time_is_signed_for_with_what_it_has(
    web: Runtime, worker: Runtime
) -> None:
    """As after a restart from an older copy of its files, and with a clock that was set back."""
    await callers(web).token(ALICE, TOLD)
    older = await web.redis.hgetall(KEYS)
    await callers(web).rotate(is_leaked=True)
    await web.redis.delete(KEYS)
    for key_id, kept in older.items():
        await web.redis.hset(KEYS, key_id, kept)
    await pass_time(web.redis, -3_600_000)

    assert await read(await callers(worker).token(ALICE, TOLD), callers(web))


async def test_keys_that_were_read_are_used_while_redis_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller_keys, "KNOWN_S", 0.0)
    async with EmbeddedValkey(tmp_path) as valkey, Redis.from_url(valkey.url) as redis:
        steps = Steps(redis, patience_s=60)
        async with steps.running():
            keys, late = (CallerKeys(CallerKeyStore(steps), ISSUER) for _ in range(2))
            known = await keys.token(ALICE, TOLD)
            await valkey.stop()
            steps.patience_s = 0.1

            again = await keys.token(ALICE, TOLD)
            with pytest.raises(StoreUnavailableError):
                await late.token(ALICE, TOLD)

    assert jwt.get_unverified_header(again) == jwt.get_unverified_header(known)


async def test_listing_the_keys_makes_none(web: Runtime) -> None:
    assert await callers(web).listed() == []
    assert await web.redis.exists(KEYS) == 0


async def test_a_first_key_signs_at_once_for_nobody_keeps_a_set_without_it(web: Runtime) -> None:
    keys = callers(web)
    made = await keys.rotate(is_leaked=False)

    assert made.status == "signs"
    assert jwt.get_unverified_header(await keys.token(ALICE, TOLD))["kid"] == made.key.key_id
