"""What every host goes through: each journey gives a line on what was seen, or fails."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bridge.mcp.wires.stream_reader import STANDING_RETRY_MS
from tests.attached import own_result
from tests.bridge_processes import Bridge
from tests.hosts.host import Answer, Host
from tests.hosts.links import Link, kill
from tests.waiting import wait_until

TOOL = "slow_tool"
BREAKS_AT = (0.25, 0.5)
"""When a call is broken, as shares of the time that it takes."""

RECOVERED_S = 90.0
ASKING_PAUSE_S = 1.0
SURE_S = 5.0
"""After so long on an open connection the bridge takes an answer for received."""


@dataclass
class Scene:
    """A host in front of a bridge, and the link between them.

    `resumes` says that this host must take up again what broke off, without being asked anew, if
    the bridge is back when the host first tries; `away_s` is the longest that it was not there.
    """

    bridge: Bridge
    link: Link
    host: Host
    resumes: bool
    call_s: float
    away_s: float = 0
    _labels: "itertools.count[int]" = field(default_factory=itertools.count)

    def new_label(self) -> str:
        """Make a label that tells one call from all others."""
        return f"call-{next(self._labels)}"

    async def run(self, label: str, seconds: float = 0) -> Answer:
        """Have the slow workflow run for so long."""
        return await self.host.call(TOOL, label=label, seconds=seconds)


async def take(scene: Scene) -> str:
    """Take the event that n8n has sent."""
    question = {"question": "What is the time?"}
    await scene.bridge.send(question)
    event = (await scene.host.call("take_event")).value
    assert event["payload"] == question, event
    return "the payload arrived"


async def leave(scene: Scene) -> str:
    """Take the event, as a host that then leaves; nobody else gets it, and its reply is taken."""
    await scene.bridge.send({"question": "What is the time?"})
    event = (await scene.host.call("take_event")).value
    assert event["attempt"] == 1, event
    again = (await scene.host.call("take_event")).value
    assert again["event_id"] is None, again
    held = {"event_id": event["event_id"], "lease": event["lease"]}
    settled = (await scene.host.call("reply_to_event", **held, reply={"answer": "Noon."})).value
    assert settled["status"] == "answered", settled
    return "it stayed its taker's"


async def reply(scene: Scene) -> str:
    """Answer an execution that waits in n8n."""
    bridge, said = scene.bridge, {"answer": "Noon."}
    execution = await bridge.park("reply")
    await bridge.send("What is the time?", reply_url=execution["replyUrl"])
    event = (await scene.host.call("take_event", wait_seconds=20)).value
    held = {"event_id": event["event_id"], "lease": event["lease"]}
    settled = (await scene.host.call("reply_to_event", **held, reply=said)).value

    def is_resumed() -> bool:
        found = bridge.n8n.executions.find(execution["id"])
        return found is not None and found.resumed_with is not None

    await wait_until(is_resumed, "n8n went on with the reply")
    found = bridge.n8n.executions.find(execution["id"])
    assert found
    assert found.resumed_with == said, found.resumed_with
    return f"n8n went on with it ({settled['status']})"


async def long_call(scene: Scene) -> str:
    """Have a call answered inline, however long it takes."""
    label = scene.new_label()
    answer = await scene.run(label, scene.call_s)
    assert answer.value["label"] == label, answer.text
    assert_runs(scene, label, 1)
    return f"n8n's own result after {scene.call_s:g} s"


async def repeat(scene: Scene) -> str:
    """Ask the same again as soon as the result is there: it is meant, so it runs."""
    return await _twice(scene)


async def again(scene: Scene) -> str:
    """Ask the same again a little later."""
    return await _twice(scene, SURE_S * 1.5)


async def _twice(scene: Scene, pause_s: float = 0) -> str:
    label = scene.new_label()
    assert (await scene.run(label)).value["label"] == label
    await asyncio.sleep(pause_s)
    assert (await scene.run(label)).value["label"] == label
    assert_runs(scene, label, 2)
    return "it ran anew"


async def drop(scene: Scene) -> str:
    """Have what the call waits on broken off, twice."""
    return await _broken(scene, scene.link.drop, scene.link.drop)


async def restart(scene: Scene) -> str:
    """Have what the host hangs on killed and started again, twice."""

    async def restarted() -> None:
        began = time.monotonic()
        await scene.link.restart()
        scene.away_s = max(scene.away_s, time.monotonic() - began)

    return await _broken(scene, restarted, restarted)


async def takeover(scene: Scene) -> str:
    """Have each of two web processes killed in turn; the other goes on with what it served."""
    first, second = scene.bridge.webs

    async def first_is_back() -> None:
        await first.start()
        await kill(second)

    return await _broken(scene, lambda: kill(first), first_is_back)


async def _broken(scene: Scene, *breaks: Callable[[], Awaitable[None]]) -> str:
    """Break a call while it runs; its one result must arrive, and the next call must work."""
    label = scene.new_label()
    calling = asyncio.ensure_future(_insist(scene, label))
    breaking = asyncio.ensure_future(_break(scene, label, *breaks))
    asked = await calling
    await breaking
    assert_runs(scene, label, 1)
    must_go_on = scene.resumes and scene.away_s < STANDING_RETRY_MS / 1000
    assert asked == 1 or not must_go_on, f"the call was given up; asked {asked} times"
    following = scene.new_label()
    assert (await scene.run(following)).value["label"] == following
    assert_runs(scene, following, 1)
    away = f" (the bridge was away for {scene.away_s:.1f} s)" if scene.away_s else ""
    return ("the result arrived" if asked == 1 else f"joined; asked {asked} times") + away


async def _break(scene: Scene, label: str, *breaks: Callable[[], Awaitable[None]]) -> None:
    await wait_until(lambda: scene.bridge.runs(label), "the call reached n8n", RECOVERED_S)
    passed_s = 0.0
    for share, strike in zip(BREAKS_AT, breaks, strict=True):
        at_s = share * scene.call_s
        await asyncio.sleep(at_s - passed_s)
        passed_s = at_s
        await strike()


async def _insist(scene: Scene, label: str) -> int:
    """Call until the result is there, as a model does that is told of a lost connection.

    Gives how often it asked.
    """
    for asked in itertools.count(1):
        answer = await scene.run(label, scene.call_s)
        if not answer.is_error:
            assert (own_result(answer.value) or {})["label"] == label, answer.text
            break
        assert asked * ASKING_PAUSE_S < RECOVERED_S, answer.text
        await asyncio.sleep(ASKING_PAUSE_S)
    return asked


def assert_runs(scene: Scene, label: str, count: int) -> None:
    """Hold n8n's count of what it ran against what was meant."""
    runs = len(scene.bridge.runs(label))
    assert runs == count, f"n8n ran it {runs} times"


@dataclass(frozen=True)
class Journey:
    """One journey, and how many web processes it begins with."""

    go: Callable[[Scene], Awaitable[str]]
    webs: int = 1


JOURNEYS: Mapping[str, Journey] = {
    "take": Journey(take),
    "take-then-leave": Journey(leave),
    "reply": Journey(reply),
    "long": Journey(long_call),
    "twice-meant": Journey(repeat),
    "again": Journey(again),
    "drop": Journey(drop),
    "restart": Journey(restart),
    "takeover": Journey(takeover, webs=2),
}
