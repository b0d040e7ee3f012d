"""What tells workflows who asks bears hostile names, deaths of workers and many acts at once."""

import asyncio
import gzip
import json
from pathlib import Path

from redis.asyncio import Redis

from tests.bridge_processes import SERVER, TOKEN
from tests.claude import modern_request, use
from tests.commands import run
from tests.process.test_callers import BOB, client_of, read, told
from tests.waiting import wait_until

LINE = 64
"""How long a whole line of PEM is."""

HOSTILE = 'Zoë "Q" \r\nBridge-Caller: forged\n\u2028\u202e 🦀 ' + "x" * 10_000


async def test_whatever_a_client_calls_itself_is_told_cut_and_breaks_no_header(
    tmp_path: Path,
) -> None:
    async with told(tmp_path) as (bridge, n8n):
        request = modern_request(
            bridge.webs[0].url, SERVER, TOKEN, "tools/call", name="echo", arguments={}
        )
        body = json.loads(request.content)
        (info,) = (name for name in body["params"]["_meta"] if name.endswith("clientInfo"))
        body["params"]["_meta"][info]["name"] = HOSTILE
        del request.headers["content-length"]
        answer = await bridge.http.post(request.url, json=body, headers=request.headers)
        assert answer.status_code == 200, answer.text
        claims = await read(bridge, n8n.tokens["echo"][-1])
    assert HOSTILE.startswith(claims["client"])
    assert len(claims["client"]) <= 200
    assert len(n8n.tokens["echo"][-1] or "") < 2000


async def test_who_takes_a_call_over_proves_the_same_caller_anew(tmp_path: Path) -> None:
    async with told(tmp_path) as (bridge, n8n), client_of(bridge, TOKEN) as client:
        handle = asyncio.create_task(use(client, "hanging"))
        await wait_until(lambda: len(n8n.tokens.get("hanging", [])) == 1, "n8n has the call")
        bridge.workers[0].kill()
        await bridge.add_worker()
        await handle
        first, second = [await read(bridge, token) for token in n8n.tokens["hanging"]]
    assert first["jti"] != second["jti"]
    assert first.keys() == second.keys()
    of_the_try = ("jti", "iat", "exp")
    assert [first[name] for name in first if name not in of_the_try] == [
        second[name] for name in first if name not in of_the_try
    ]


async def test_many_calls_run_again_at_once_each_name_their_own_principal(tmp_path: Path) -> None:
    async with told(tmp_path) as (bridge, n8n):
        for token in (TOKEN, BOB):
            async with client_of(bridge, token) as client:
                await use(client, "echo")
        command = ("calls", "run-again", "--workflow", "echo", "--yes")
        assert (await run(*command, environ=bridge.environ))[0] == 0
        await wait_until(lambda: len(n8n.tokens["echo"]) == 4, "all have run again", 30)
        again = [await read(bridge, token) for token in n8n.tokens["echo"][2:]]
    assert sorted(each["name"] for each in again) == ["alice", "bob"]
    assert [each["act"]["sub"] for each in again] == ["operator"] * 2


async def test_neither_a_private_key_nor_a_token_is_in_what_people_and_programs_are_shown(
    tmp_path: Path,
) -> None:
    async with told(tmp_path) as (bridge, n8n), client_of(bridge, TOKEN) as client:
        await use(client, "echo")
        await client.call_tool("fails", {})
        backup = tmp_path / "backup"
        commands = (("keys", "rotate", "--json"), ("keys", "ls"), ("backup", str(backup)))
        shown = [(await run(*command, environ=bridge.environ))[1] for command in commands]
        pages: tuple[str, ...] = (
            "/metrics",
            "/.well-known/jwks.json",
            "/console",
            "/console/calls",
            "/openapi.json",
        )
        pages += (f"/console/calls/{n8n.calls['echo'][0]}",)
        shown += [(await bridge.http.get(bridge.webs[0].url + path)).text for path in pages]
        shown += [each.log for each in (*bridge.webs, *bridge.workers)]
        shown.append(unpacked(backup.read_bytes()))
        async with Redis.from_url(bridge.environ["BRIDGE_REDIS_URL"]) as redis:
            (kept,) = [name async for name in redis.scan_iter("*caller_keys*")]
            keys = [text_of(value) for value in await redis.hvals(kept)]

    secrets = [line for key in keys for line in key.splitlines() if len(line) == LINE]
    assert len(secrets) == 2 * len(keys) == 4
    tokens = [token for sent in n8n.tokens.values() for token in sent if token]
    assert [each for each in (*secrets, *tokens) if each in "".join(shown)] == []


def unpacked(raw: bytes) -> str:
    assert raw[:2] == b"\x1f\x8b"
    return gzip.decompress(raw).decode()


def text_of(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode()
