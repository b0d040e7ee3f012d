"""A fake Claude: a real MCP client that takes events and answers them by the rules of a file."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from bridge.authoring.development.answers import (
    AnswerRule,
    Answers,
    GivenBack,
    PlannedCall,
    reply_of,
)
from bridge.client.mcp_client import connected_to, reason_of, sentence
from bridge.configuration.servers import Server
from bridge.ending import BackgroundTasks, end
from bridge.models import Json

WAIT_S = 60
PAUSE_S = 1.0
TRIES = 30
REASON_CHARS = 300
LEFT = GivenBack(reason="no rule of the fake Claude's is for it", delay_s=5)
"""What becomes of an event of a hook that has rules, and none for it."""

Taking = tuple[str, str]
"""What events are taken of: a server, and a hook or, by an empty one, all its hooks."""

AWAY = (MCPError, OSError, httpx2.HTTPError)
"""What goes wrong while the bridge is replaced."""


class RefusedError(Exception):
    """A tool has refused; the text is what Claude would read."""


@dataclass
class FakeClaude:
    """Takes the events of servers at `base`, the address of a bridge, and runs workflows.

    What cannot be seen in the records is told to `say`.
    """

    base: str
    say: Callable[[str], None]
    answers: Answers = field(default_factory=Answers)
    _servers: Mapping[str, Server] = field(default_factory=dict)
    _taken_of: Mapping[Taking, Server] = field(default_factory=dict)
    _takers: dict[Taking, asyncio.Task[None]] = field(default_factory=dict)
    _callers: list[asyncio.Task[None]] = field(default_factory=list)
    _answering: BackgroundTasks = field(default_factory=BackgroundTasks)

    async def play(self, answers: Answers, servers: Mapping[str, Server]) -> None:
        """Play by these answers at these servers from now on; what is being answered goes on."""
        are_same = answers == self.answers
        wanted = {
            (server.name, hook): server
            for server in servers.values()
            for hook in answers.hooks_of(server)
        }
        gone = [
            at
            for at in self._takers
            if not are_same or wanted.get(at) is not self._taken_of.get(at)
        ]
        await end(*(self._takers.pop(at) for at in gone))
        self.answers, self._servers, self._taken_of = answers, servers, wanted
        for (name, hook), server in wanted.items():
            if (name, hook) not in self._takers:
                self._takers[name, hook] = asyncio.create_task(self._take(server, hook))
        if not are_same:
            await end(*self._callers)
            self._callers = [asyncio.create_task(self._run(each)) for each in answers.calls]

    async def aclose(self) -> None:
        """Take and call no more; what is not answered yet goes back when its lease ends."""
        await end(*self._takers.values(), *self._callers)
        await self._answering.end()

    async def _take(self, server: Server, hook: str) -> None:
        """Take one event after the other, over one connection as long as it lasts."""
        wanted = {"wait_seconds": WAIT_S} | ({"hook": hook} if hook else {})
        said = before = now = ""
        while True:
            try:
                async with connected_to(self.base, server) as client:
                    while True:
                        taken = await _use(client, "take_event", **wanted)
                        if taken["event_id"]:
                            payload = await _payload(client, taken)
                            self._answering.start(self._answer(server, taken, payload))
            except* (*AWAY, RefusedError) as errors:
                now = f"the fake Claude cannot take events of {server.name}: {reason_of(errors)}"
            # What lasts no longer than a pause is a process that is replaced or has yet to reload.
            if now == before != said:
                self.say(now)
                said = now
            before = now
            await asyncio.sleep(PAUSE_S)

    async def _answer(self, server: Server, taken: Mapping[str, Any], payload: Json) -> None:
        rule = self.answers.rule_for(server.name, taken["hook"], payload)
        await asyncio.sleep(rule.delay_s if rule else 0)
        for _ in range(TRIES):
            away: BaseException | None = None
            try:
                async with connected_to(self.base, server) as client:
                    await self._settle(client, server, taken, rule)
            except* RefusedError as errors:
                self.say(f"{server.name}/{taken['hook']}: {reason_of(errors)}")
            except* AWAY as errors:
                away = errors
            if away is None:
                return
            await asyncio.sleep(PAUSE_S)

    async def _settle(
        self, client: Client, server: Server, taken: Mapping[str, Any], rule: AnswerRule | None
    ) -> None:
        held = {name: taken[name] for name in ("event_id", "lease")}
        back = LEFT if rule is None else rule.release
        if rule and not back:
            reply = reply_of(rule, server.hooks[taken["hook"]])
            try:
                await _use(client, "reply_to_event", **held, reply=reply)
            except RefusedError as refused:
                reason = f"the fake Claude's reply was refused: {refused}"
                self.say(f"{server.name}/{taken['hook']}: {reason}")
                back = GivenBack(reason=reason[:REASON_CHARS], dead=True)
        if back:
            given = {"reason": back.reason, "delay_seconds": back.delay_s, "dead": back.dead}
            await _use(client, "release_event", **held, **given)

    async def _run(self, call: PlannedCall) -> None:
        """Run a workflow when it is time to, and again if it is to be run again."""
        await asyncio.sleep(call.after_s)
        while True:
            server = self._servers.get(call.server)
            try:
                if server:
                    async with connected_to(self.base, server) as client:
                        await _use(client, call.workflow, **call.arguments)
            except* (*AWAY, RefusedError) as errors:
                self.say(
                    f"the fake Claude's call of {call.server}/{call.workflow}: {reason_of(errors)}"
                )
            if call.every_s is None:
                return
            await asyncio.sleep(call.every_s)


async def _use(client: Client, tool: str, /, **arguments: Any) -> dict[str, Any]:
    """Call a tool and return its structured result.

    Raises:
        RefusedError: the tool has failed.
    """
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise RefusedError(sentence(result))
    return result.structured_content or {}


async def _payload(client: Client, taken: Mapping[str, Any]) -> Json:
    """Return the payload of an event, read on where it is long."""
    if "payload" in taken:
        payload: Json = taken["payload"]
        return payload
    text, offset = "", 0
    while offset is not None:
        named = {"event_id": taken["event_id"], "offset": offset}
        page = await _use(client, "read_event", **named)
        if "value" in page:
            value: Json = page["value"]
            return value
        text, offset = text + page["text"], page["next_offset"]
    read: Json = json.loads(text)
    return read
