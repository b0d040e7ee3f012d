"""A process that is killed around an approval runs nothing unapproved, and nothing twice."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client

from bridge.local.valkey import EmbeddedValkey
from bridge.verbs.mending import RESTORED
from tests.bridge_processes import SERVER, TOKEN, Bridge, Child, running_bridge, server_file
from tests.claude import Spread, claude, use
from tests.commands import run as command
from tests.doors.by_hand import Modern, call, request
from tests.doors.workshop import TAKES_TASKS
from tests.journeys import TAKEN_OVER_S, start_call
from tests.process.test_backup import move
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

BOB = "the-token-of-bob"
OPERATOR = "the-token-of-the-operator"
BRIEFLY_S = 3
YES = {"approved": True}


@dataclass(frozen=True)
class End:
    """How a call ended: its status, why, how often n8n was asked, and what became of its event."""

    status: str
    failure: str | None
    asked: int
    question: str | None = None


def changes() -> dict[str, Any]:
    """Return what the server file has besides: two principals, and workflows to be approved."""
    once = server_file("${BRIDGE_N8N_URL}")["workflows"]["once"] | {"approve": "always"}
    by_hook = once | {"by": {"hook": "question"}}
    return {
        "tokens": [
            {"name": "alice", "token": "env:PROOF_TOKEN"},
            {"name": "bob", "token": "env:PROOF_BOB"},
        ],
        "workflows": {
            "guarded": once,
            "by_user": once | {"by": "elicitation"},
            "by_hook": by_hook,
            "briefly": by_hook | {"approve_within": f"{BRIEFLY_S}s"},
        },
    }


@dataclass
class Desk:
    """A bridge with one web process that lives, where alice asks and others decide."""

    bridge: Bridge
    alice: Client
    bob: Client
    events: dict[str, str] = field(default_factory=dict)
    """The events by which hooks are asked, by call."""

    async def operate(self, method: str, path: str, web: Child | None = None, **said: Any) -> Any:
        """Do something as an operator."""
        url = (web or self.bridge.webs[0]).url + path
        headers = {"authorization": f"Bearer {OPERATOR}"}
        answer = await self.bridge.http.request(method, url, headers=headers, json=said or None)
        return answer.json()

    async def decide(self, call_id: str, act: str, web: Child | None = None) -> Any:
        """Decide about a call as an operator, over a web process."""
        waiting = (await self.operate("GET", "/approvals"))["approvals"]
        (digest,) = [each["digest"] for each in waiting if each["call_id"] == call_id]
        path = f"/calls/{call_id}/{act}"
        return await self.operate("POST", path, web, digest=digest, reason="so it is")

    async def decide_over_the_dying(self, call_id: str, act: str, point: str) -> None:
        """Have a web process die as it has put a verdict on record."""
        web = await self.bridge.add_web(point)
        with pytest.raises(httpx2.RemoteProtocolError):
            await self.decide(call_id, act, web)
        assert await web.ended() == -signal.SIGKILL

    async def asked(self, call_id: str) -> str:
        """Wait until a hook was asked, and name the event."""

        async def is_there() -> bool:
            found = (await use(self.bob, "list_events"))["events"]
            for each in found:
                shown = await use(self.bob, "read_event", event_id=each["event_id"])
                self.events[shown["value"]["call_id"]] = each["event_id"]
            return call_id in self.events

        await wait_until(is_there, "the hook is asked", TAKEN_OVER_S)
        return self.events[call_id]

    async def answered(self, call_id: str, reply: Any) -> None:
        """Have bob answer what a hook is asked about a call."""
        event_id = await self.asked(call_id)
        taken = await use(self.bob, "take_event", event_id=event_id)
        claim = {"event_id": event_id, "lease": taken["lease"]}
        await use(self.bob, "reply_to_event", **claim, reply=reply)

    @contextlib.asynccontextmanager
    async def paused(self, *workflows: str) -> AsyncIterator[None]:
        """Let nothing of these be sent meanwhile: who dies then would have interrupted it."""
        for each in workflows:
            await self.operate("POST", f"/pauses/{SERVER}/{each}")
        yield
        for each in workflows:
            await self.operate("DELETE", f"/pauses/{SERVER}/{each}")

    async def die(self, worker: Child) -> None:
        assert await worker.ended() == -signal.SIGKILL

    async def start(self, tool: str, name: str) -> str:
        return await start_call(self.alice, tool, name, 0)

    async def end(self, name: str, call_id: str) -> End:
        """Wait until a call has ended, and what was asked about it is asked no more."""
        ended: dict[str, Any] = {}

        async def has_ended() -> bool:
            ended.update(await use(self.alice, "read_call", call_id=call_id))
            return ended["status"] not in ("queued", "running")

        await wait_until(has_ended, f"{name} has ended", 2 * TAKEN_OVER_S)
        question = None
        if event_id := self.events.get(call_id):
            is_settled = self.is_settled(event_id)
            await wait_until(is_settled, f"the question of {name} is settled", TAKEN_OVER_S)
            question = (await self.bridge.event(event_id))["status"]
        asked = len(self.bridge.runs(name))
        return End(ended["status"], ended.get("failure"), asked, question)

    def is_settled(self, event_id: str) -> Any:
        async def look() -> bool:
            return (await self.bridge.event(event_id))["status"] not in ("queued", "leased")

        return look


RAN = End("succeeded", None, asked=1)
RAN_AS_ANSWERED = End("succeeded", None, asked=1, question="answered")
RAN_AS_DECIDED_ELSEWHERE = End("succeeded", None, asked=1, question="dead")
REFUSED = End("failed", "refused by operator: so it is", asked=0)


@contextlib.asynccontextmanager
async def open_desk(folder: Path) -> AsyncIterator[Desk]:
    """Run a bridge without a worker, and connect two principals to it."""
    async with (
        running_bridge(
            folder, changes(), workers=0, PROOF_BOB=BOB, BRIDGE_OPERATOR_TOKEN=OPERATOR
        ) as bridge,
        connected(bridge) as desk,
    ):
        yield desk


@contextlib.asynccontextmanager
async def connected(bridge: Bridge) -> AsyncIterator[Desk]:
    """Connect two principals to the first web process."""
    origin = bridge.webs[0].url
    async with (
        bridge.claude() as alice,
        claude(SERVER, BOB, "2026-07-28", Spread([origin]), origin) as bob,
    ):
        yield Desk(bridge, alice, bob)


@pytest.fixture(scope="module")
async def ends(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, End]]:
    """Have processes die around approvals, each over a call of its own; then let others work."""
    async with open_desk(tmp_path_factory.mktemp("bridge")) as desk:
        async with desk.paused("guarded", "by_user", "by_hook"):
            ids = await webs_die(desk) | await workers_die(desk)
        worker = await desk.bridge.add_worker()
        ends = {name: await desk.end(name, call_id) for name, call_id in ids.items()}
        worker.kill()
        ids = await workers_die_before_they_send(desk)
        await desk.bridge.add_worker()
        yield ends | {name: await desk.end(name, call_id) for name, call_id in ids.items()}


async def webs_die(desk: Desk) -> dict[str, str]:
    """Have web processes die as they have put on record what somebody says."""
    ids = {}
    for act in ("approve", "refuse"):
        point = f"call-{'approved' if act == 'approve' else 'refused'}"
        ids[f"{act} by an operator"] = call_id = await desk.start(
            "guarded", f"{act} by an operator"
        )
        await desk.decide_over_the_dying(call_id, act, point)
    ids["approve in a form"] = await die_over_a_form(desk, "approve in a form")
    return ids


async def die_over_a_form(desk: Desk, name: str) -> str:
    """Have a web process die over what a task's user says."""
    sound, dying = desk.bridge.webs[0], await desk.bridge.add_web("call-approved")
    client, doomed = (
        Modern(desk.bridge.http, f"{web.url}/mcp/{SERVER}", TOKEN, TAKES_TASKS)
        for web in (sound, dying)
    )
    asked = call("by_user", label=name, seconds=0)
    task_id: str = (await client.post(asked)).json()["result"]["taskId"]
    task = (await client.post(request("tasks/get", taskId=task_id))).json()["result"]
    ((key, _),) = task["inputRequests"].items()
    given = {key: {"action": "accept", "content": {"approve": True}}}
    with pytest.raises(httpx2.RemoteProtocolError):
        await doomed.post(request("tasks/update", taskId=task_id, inputResponses=given))
    assert await dying.ended() == -signal.SIGKILL
    return task_id


async def workers_die(desk: Desk) -> dict[str, str]:
    """Have workers die around what a hook is asked, and before what was approved is sent."""
    ids = {}
    unanswered = {
        "asked by one that died": "event-recorded",
        "to be asked by one that died": "approval-asked",
    }
    for each, point in unanswered.items():
        worker = await desk.bridge.add_worker(point)
        ids[each] = await desk.start("by_hook", each)
        await desk.die(worker)

    worker = await desk.bridge.add_worker()
    names = ("approve by an operator, a hook asked", "refuse by an operator, a hook asked")
    others = ("answered, and not looked at", "answered, and decided by one that died", "refused")
    for each in (*names, *others):
        ids[each] = await desk.start("by_hook", each)
    for each in ids.keys() & {*names, *others, *unanswered}:
        await desk.asked(ids[each])
    ids["over"] = await desk.start("briefly", "over")
    await desk.asked(ids["over"])
    worker.kill()
    await worker.ended()
    for each, act, point in zip(
        names, ("approve", "refuse"), ("call-approved", "call-refused"), strict=True
    ):
        await desk.decide_over_the_dying(ids[each], act, point)

    for each, point in zip(
        ("over", *others),
        ("call-lapsed", "approval-read", "call-approved", "call-refused"),
        strict=True,
    ):
        if each != "over":
            await desk.answered(ids[each], YES if each != "refused" else {"approved": False})
        await desk.die(await desk.bridge.add_worker(point))
    for each in unanswered:
        await desk.answered(ids[each], YES)
    return ids


async def workers_die_before_they_send(desk: Desk) -> dict[str, str]:
    """Have workers die that have begun with what was approved."""
    ids = {}
    for point in ("call-leased", "call-connected"):
        worker = await desk.bridge.add_worker(point)
        ids[point] = await desk.start("guarded", point)
        await desk.decide(ids[point], "approve")
        await desk.die(worker)
    return ids


@pytest.mark.parametrize("name", ["approve by an operator", "approve in a form"])
async def test_what_was_approved_runs_once_though_nobody_was_told(
    ends: dict[str, End], name: str
) -> None:
    assert ends[name] == RAN


async def test_what_was_refused_never_runs(ends: dict[str, End]) -> None:
    assert ends["refuse by an operator"] == REFUSED
    assert ends["refused"] == End("failed", "refused by bob", 0, "answered")
    assert ends["refuse by an operator, a hook asked"] == End(
        "failed", "refused by operator: so it is", 0, "dead"
    )


async def test_what_somebody_decides_elsewhere_asks_the_hook_no_more(ends: dict[str, End]) -> None:
    assert ends["approve by an operator, a hook asked"] == RAN_AS_DECIDED_ELSEWHERE


@pytest.mark.parametrize(
    "name",
    [
        "asked by one that died",
        "to be asked by one that died",
        "answered, and not looked at",
        "answered, and decided by one that died",
    ],
)
async def test_what_a_hook_replies_counts_whoever_dies_over_it(
    ends: dict[str, End], name: str
) -> None:
    assert ends[name] == RAN_AS_ANSWERED


async def test_what_nobody_approved_in_time_never_runs(ends: dict[str, End]) -> None:
    late = f"nobody approved it within {BRIEFLY_S} seconds, so it was never sent"
    assert ends["over"] == End("failed", late, 0, "dead")


@pytest.mark.parametrize("point", ["call-leased", "call-connected"])
async def test_a_worker_that_dies_before_it_sends_what_was_approved_leaves_it_to_others(
    ends: dict[str, End], point: str
) -> None:
    assert ends[point] == RAN


@pytest.mark.parametrize("went_on", [False, True])
async def test_what_waited_waits_on_in_another_redis_or_has_failed_by_that(
    tmp_path: Path, went_on: bool
) -> None:
    """It has failed where the bridge may have gone on, so that somebody may have approved it."""
    file, ids = str(tmp_path / "backup.gz"), {}
    async with open_desk(tmp_path) as desk, EmbeddedValkey(tmp_path / "other") as other:
        bridge = desk.bridge
        await bridge.add_worker()
        for name in ("done", "refused", "waits", "unanswered"):
            ids[name] = await desk.start("by_hook" if name == "unanswered" else "guarded", name)
        event_id = await desk.asked(ids["unanswered"])
        await desk.decide(ids["done"], "approve")
        await desk.decide(ids["refused"], "refuse")
        decided = {name: await desk.end(name, ids[name]) for name in ("done", "refused")}
        for each in (*bridge.webs, *bridge.workers):
            each.send_signal(signal.SIGTERM)
        await asyncio.gather(*(each.ended() for each in (*bridge.webs, *bridge.workers)))
        assert (await command("backup", file, environ=bridge.environ))[0] == 0
        await move(bridge, other.url)
        went = ("--went-on",) if went_on else ()
        status, said = await command("restore", *went, file, environ=bridge.environ)
        assert (status, "not sent" in said) == (0, False), said
        await asyncio.gather(bridge.add_web(), bridge.add_worker())
        async with connected(bridge) as again:
            assert {name: await again.end(name, ids[name]) for name in decided} == decided
            if went_on:
                again.events[ids["unanswered"]] = event_id
                assert await again.end("waits", ids["waits"]) == End("failed", RESTORED, 0)
                failed = End("failed", RESTORED, 0, "dead")
                assert await again.end("unanswered", ids["unanswered"]) == failed
            else:
                assert await again.asked(ids["unanswered"]) == event_id
                await again.answered(ids["unanswered"], YES)
                await again.decide(ids["waits"], "approve")
                assert await again.end("waits", ids["waits"]) == RAN
                assert await again.end("unanswered", ids["unanswered"]) == RAN_AS_ANSWERED
