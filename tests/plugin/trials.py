"""What the plugin is put through: sessions that are idle are woken, and killed."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass
from statistics import median, quantiles

from tests.bridge_processes import Bridge
from tests.plugin.inbox_model import InboxModel
from tests.plugin.session import ClaudeHome, session
from tests.waiting import wait_until

SERVER_FILE = """\
name: proof
tokens: [env:PROOF_TOKEN]
hooks:
  question:
    description: A question; answer it in a sentence.
    auth: {bearer: env:PROOF_HOOK_TOKEN}
    lease: 15s
    max_attempts: 100
"""
"""A lease of 15 s, so that what a killed session had taken is back within the trial."""

START_S = 120.0
ANSWER_S = 120.0
AT_ONCE = 2


@dataclass(frozen=True)
class Wakes:
    """How long it took from each POST until Claude had the payload."""

    took_s: list[float]
    wanted: int

    @property
    def is_good(self) -> bool:
        """Whether each event woke the session and was answered."""
        return len(self.took_s) == self.wanted

    @property
    def line(self) -> str:
        """Report it."""
        if len(self.took_s) < 2:
            return f"FAULT {len(self.took_s)} of {self.wanted} taken and answered"
        p95 = quantiles(self.took_s, n=20, method="inclusive")[-1]
        mark = "ok   " if self.is_good else "FAULT"
        return (
            f"{mark} {len(self.took_s)} of {self.wanted} taken and answered by an idle session; "
            f"from POST to take {median(self.took_s):.2f} s in the median, "
            f"{p95:.2f} s at p95, {max(self.took_s):.2f} s at most"
        )


async def count_wakes(bridge: Bridge, home: ClaudeHome, model: InboxModel, count: int) -> Wakes:
    """Wake an idle session so often, once by each event."""
    took_s: list[float] = []
    async with session(home) as opened:
        await answered(bridge, await sent(bridge), START_S)  # it is there
        with contextlib.suppress(AssertionError):
            for _ in range(count):
                await wait_until(lambda: model.is_idle, "an idle session", ANSWER_S)
                await asyncio.sleep(
                    random.uniform(2, 3)
                )  # Claude Code passes on one in two seconds
                began_at = time.time()
                event_id = await sent(bridge)
                await answered(bridge, event_id, ANSWER_S)
                took_s.append(model.taken_at[event_id] - began_at)
        if len(took_s) < count:
            model.faults.append(await opened.screen())
    return Wakes(took_s, count)


@dataclass(frozen=True)
class Kills:
    """What became of events whose sessions were killed: by how many, of how many events."""

    killed: int
    events: int
    lost: int
    twice: int

    @property
    def is_good(self) -> bool:
        """Whether each was answered, and once."""
        return not (self.lost or self.twice)

    @property
    def line(self) -> str:
        """Report it."""
        mark = "ok   " if self.is_good else "FAULT"
        return (
            f"{mark} {self.killed} sessions killed among {self.events} events, two at a time: "
            f"{self.lost} lost, {self.twice} answered twice"
        )


async def count_kills(bridge: Bridge, home: ClaudeHome, model: InboxModel, count: int) -> Kills:
    """Kill sessions while they take and answer, start others, and see what became of the events."""
    waiting: dict[str, str] = {}
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(session(home)) for _ in range(AT_ONCE)]
        for number in range(count):
            for _ in range(3):
                parked = await bridge.park("")
                event_id = (await bridge.send({}, reply_url=parked["replyUrl"])).json()["event_id"]
                waiting[event_id] = parked["replyUrl"]
            await asyncio.sleep(random.uniform(0, 6))
            victim = sessions[number % AT_ONCE]
            await victim.kill()
            await victim.start()
        lost = 0
        for event_id in waiting:
            try:
                await answered(bridge, event_id, START_S + ANSWER_S)
            except AssertionError:
                lost += 1
        if lost:
            model.faults.append(await sessions[0].screen())
    replied = Counter(
        seen.path for seen in bridge.n8n.seen.of() if seen.path.startswith("/webhook-waiting/")
    )
    twice = sum(times > 1 for times in replied.values())
    lost = max(lost, len(waiting) - len(replied))
    twice = max(twice, sum(times > 1 for times in model.answers.values()))
    return Kills(count, len(waiting), lost, twice)


async def sent(bridge: Bridge) -> str:
    """Send an event; returns its id."""
    event_id: str = (await bridge.send({"question": "Which plan?"})).json()["event_id"]
    return event_id


async def answered(bridge: Bridge, event_id: str, within_s: float) -> None:
    """Wait until an event is answered.

    Raises:
        AssertionError: it is not, in time.
    """

    async def is_so() -> bool:
        return bool((await bridge.event(event_id))["status"] == "answered")

    await wait_until(is_so, f"{event_id} is answered", within_s)
