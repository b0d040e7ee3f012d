"""A reply address is a secret: no log, tool result, problem or page ever shows it."""

import json
import re
from collections.abc import Callable
from os import fsdecode
from pathlib import Path
from typing import Any

from mcp.client import Client
from redis.asyncio import Redis

from bridge.standin.faults import InjectedFault
from tests.bridge_processes import SERVER, Bridge, running_bridge
from tests.claude import use
from tests.waiting import wait_until

PATIENCE_S = 30.0


class Journey:
    """A bridge, and all that it has said to anyone."""

    def __init__(self, bridge: Bridge, claude: Client) -> None:
        self.bridge = bridge
        self._claude = claude
        self.said: list[str] = []
        self.secrets: list[str] = []

    async def park(self) -> str:
        """Have an execution wait, and note what is secret of its address."""
        url = (await self.bridge.park("reply"))["replyUrl"]
        signature = url.partition("signature=")[2]
        assert re.fullmatch(r"[0-9a-f]{64}", signature)
        self.secrets.append(signature)
        return url

    async def send(self, payload: object, reply_url: str, key: str = "") -> int:
        answer = await self.bridge.send(payload, reply_url=reply_url, key=key)
        self.said += [answer.text, str(answer.headers)]
        return answer.status_code

    async def use(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await use(self._claude, tool, **arguments)
        self.said.append(json.dumps(result))
        return result

    async def fail(self, tool: str, **arguments: Any) -> None:
        result = await self._claude.call_tool(tool, arguments)
        assert result.is_error
        self.said.append(result.model_dump_json())

    async def take(self) -> tuple[str, str]:
        event = await self.use("take_event", wait_seconds=PATIENCE_S)
        return event["event_id"], event["lease"]

    async def until(self, event_id: str, holds: Callable[[dict[str, Any]], bool]) -> None:
        async def is_so() -> bool:
            event = await self.bridge.event(event_id)
            self.said.append(json.dumps(event))
            return holds(event["reply"])

        await wait_until(is_so, "the reply stands as it should", PATIENCE_S)


async def a_journey_in_which_much_goes_wrong(journey: Journey) -> None:
    bridge, url = journey.bridge, await journey.park()
    foreign = url.replace("127.0.0.1", "127.0.0.2")
    for wrong in (foreign, url.replace("/webhook-waiting/", "/rest/"), url.replace("://", "://u@")):
        assert await journey.send("?", wrong) == 422
    assert await journey.send({"go": url, "on": [url]}, url, key="k") == 202
    assert await journey.send({"go": url, "on": [url]}, url, key="k") == 200
    assert await journey.send({"go": url, "on": [url]}, await journey.park(), key="k") == 409
    (listed,) = (await journey.use("list_events"))["events"]
    await journey.use("read_event", event_id=listed["event_id"])
    await journey.fail("read_event", event_id=listed["event_id"], path="/nowhere")
    event_id, lease = await journey.take()
    await journey.fail("reply_to_event", event_id=event_id, lease="another", reply="yes")
    waiting = f"/webhook-waiting/{url.partition('/webhook-waiting/')[2].partition('?')[0]}"
    for kind in ("reset_before_answer", "db_not_ready"):
        bridge.n8n.faults.add(InjectedFault(path=waiting, kind=kind))
    await journey.use("reply_to_event", event_id=event_id, lease=lease, reply="yes")
    await journey.until(event_id, lambda reply: reply["status"] == "delivered")

    url = await journey.park()
    assert await journey.send("?", url) == 202
    echo = InjectedFault(
        path="/webhook-waiting/*", kind="status", status=401, body=f'{{"error":"{url}"}}'
    )
    bridge.n8n.faults.add(echo)
    event_id, lease = await journey.take()
    await journey.use("reply_to_event", event_id=event_id, lease=lease, reply="yes")
    await journey.until(event_id, lambda reply: reply["status"] == "dead")

    assert await journey.send("?", await journey.park()) == 202
    event_id, lease = await journey.take()
    async with Redis.from_url(bridge.valkey.url) as redis:
        bridge.n8n.faults.add(
            InjectedFault(path="/webhook-waiting/*", kind="db_not_ready", times=100)
        )
        await journey.use("reply_to_event", event_id=event_id, lease=lease, reply="yes")
        await journey.until(event_id, lambda reply: reply["attempts"] > 0)
        # What no rule foresees must not tell either.
        await redis.hset(f"{{bridge}}:reply:{event_id}", "value", "{")
        await wait_until(
            lambda: "worker.job_failed" in bridge.workers[0].log, "a job has failed", PATIENCE_S
        )


async def everything_of(redis: Redis, pattern: str) -> str:
    """Read every key that is like `pattern`, as text."""
    found = []
    async for key in redis.scan_iter(pattern):
        match await redis.type(key):
            case b"hash":
                value: object = await redis.hgetall(key)
            case b"list":
                value = await redis.lrange(key, 0, -1)
            case b"string":
                value = await redis.get(key)
            case b"zset":
                value = await redis.zrange(key, 0, -1)
            case b"stream":
                value = await redis.xrange(key)
            case _:
                value = await redis.smembers(key)
        if not fsdecode(key).startswith("{bridge}:reply:"):
            found.append(f"{key!r} {value!r}")
    return "\n".join(found)


async def test_a_reply_address_is_shown_nowhere_on_a_journey_in_which_much_goes_wrong(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path) as bridge:
        async with bridge.claude() as client:
            journey = Journey(bridge, client)
            await a_journey_in_which_much_goes_wrong(journey)
        metrics = await bridge.http.get(f"{bridge.webs[0].url}/metrics")
        journey.said += [metrics.text, bridge.webs[0].log, bridge.workers[0].log]
        async with Redis.from_url(bridge.valkey.url) as redis:
            journey.said += [await everything_of(redis, "*")]

    said = "\n".join(journey.said)
    assert len(journey.secrets) == 4
    assert not [secret for secret in journey.secrets if secret in said]
    assert "[secret]" in said
    assert f'"server": "{SERVER}"' in said
