"""A discrete-event simulation of a bridge: processes of one thread each, on machines with cores.

On purpose:
1. A process does its work in the order it came; it needs a core for as long as the work takes.
2. Redis takes all that has come in one turn, works it off, flushes once, and answers it all. While
   it flushes it holds no core and takes nothing.
3. A process has one batch of steps on its way; what comes meanwhile goes with the next.
4. Nothing is lost, repeated or refused, and a network takes no time but `hop_s`.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

Action = Callable[[], None]

LOAD, WEB, WORKER, N8N, STORE = "load", "web", "worker", "n8n", "store"
WARM_SHARE = 0.2
"""The first part of a run, which counts for nothing."""


class Clock:
    """Brings on what is due, in order of its time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, Action]] = []
        self._order = itertools.count()

    def after(self, delay_s: float, action: Action) -> None:
        """Have something happen later."""
        heapq.heappush(self._due, (self.now_s + delay_s, next(self._order), action))

    def run(self, until_s: float) -> None:
        """Go on to a time."""
        while self._due and self._due[0][0] <= until_s:
            self.now_s, _, action = heapq.heappop(self._due)
            action()
        self.now_s = until_s


class Machine:
    """Has cores, which go to who waited longest."""

    def __init__(self, clock: Clock, cores: int) -> None:
        self._clock = clock
        self._free = cores
        self._ready: deque[tuple[float, Action]] = deque()

    def compute(self, cpu_s: float, done: Action) -> None:
        """Hold a core for so long, from when there is one."""
        self._ready.append((cpu_s, done))
        self._start()

    def _start(self) -> None:
        while self._free and self._ready:
            cpu_s, done = self._ready.popleft()
            self._free -= 1
            self._clock.after(cpu_s, partial(self._end, done))

    def _end(self, done: Action) -> None:
        self._free += 1
        done()
        self._start()


@dataclass
class Process:
    """One thread: one thing after the other."""

    machine: Machine
    busy_s: float = 0.0
    _queue: deque[tuple[float, Action]] = field(default_factory=deque)
    _is_busy: bool = False

    def do(self, cpu_s: float, done: Action) -> None:
        """Work for so long, after all that came before."""
        self._queue.append((cpu_s, done))
        if not self._is_busy:
            self._next()

    def _next(self) -> None:
        self._is_busy = bool(self._queue)
        if self._queue:
            cpu_s, done = self._queue.popleft()
            self.machine.compute(cpu_s, lambda: self._finished(cpu_s, done))

    def _finished(self, cpu_s: float, done: Action) -> None:
        self.busy_s += cpu_s
        done()
        self._next()


@dataclass
class Store:
    """Redis: all that has come is one turn, and each turn is flushed before it is answered."""

    clock: Clock
    machine: Machine
    turn_cpu_s: float
    flush_s: float
    busy_s: float = 0.0
    turns: int = 0
    steps: int = 0
    _come: list[tuple[float, Action]] = field(default_factory=list)
    _is_busy: bool = False

    def run(self, cpu_s: float, steps: int, done: Action) -> None:
        """Take a batch of steps that need so long together."""
        self.steps += steps
        self._come.append((cpu_s, done))
        if not self._is_busy:
            self._turn()

    def _turn(self) -> None:
        self._is_busy = bool(self._come)
        if self._come:
            turn, self._come = self._come, []
            self.turns += 1
            cpu_s = self.turn_cpu_s + sum(each for each, _ in turn)
            self.machine.compute(cpu_s, lambda: self._flush(cpu_s, turn))

    def _flush(self, cpu_s: float, turn: Sequence[tuple[float, Action]]) -> None:
        self.busy_s += cpu_s
        self.clock.after(self.flush_s, lambda: self._answer(turn))

    def _answer(self, turn: Sequence[tuple[float, Action]]) -> None:
        for _, done in turn:
            done()
        self._turn()


@dataclass
class Writer:
    """The one writer of a process: a batch on its way, and what waits for the next."""

    clock: Clock
    store: Store
    hop_s: float
    _waiting: list[tuple[float, Action]] = field(default_factory=list)
    _is_away: bool = False

    def step(self, cpu_s: float, done: Action) -> None:
        """Have a step run that takes Redis so long."""
        self._waiting.append((cpu_s, done))
        if not self._is_away:
            self._send()

    def _send(self) -> None:
        self._is_away = bool(self._waiting)
        if self._waiting:
            batch, self._waiting = self._waiting, []
            cpu_s = sum(each for each, _ in batch)
            self.clock.after(
                self.hop_s,
                lambda: self.store.run(cpu_s, len(batch), lambda: self._answered(batch)),
            )

    def _answered(self, batch: Sequence[tuple[float, Action]]) -> None:
        self.clock.after(self.hop_s, lambda: self._hand_over(batch))

    def _hand_over(self, batch: Sequence[tuple[float, Action]]) -> None:
        for _, done in batch:
            done()
        self._send()


@dataclass(frozen=True)
class Part:
    """A part of a unit of work: what it takes of a process, or of Redis as a step of one."""

    where: str
    cpu_s: float
    step_of: str = ""


@dataclass(frozen=True)
class Site:
    """What runs where: the processes of each role, all roles on one machine or each on its own."""

    processes: Mapping[str, int]
    cores: int
    is_shared: bool
    flush_s: float
    turn_cpu_s: float
    hop_s: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What a run came to: `busy` is the share of its time that a role's processes hold a core.

    `steps_a_turn` is how many steps Valkey flushes together, on the mean.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    busy: Mapping[str, float]
    steps_a_turn: float


class Run:
    """Units of work on a site, by clients that ask again when answered, or as they come."""

    def __init__(self, site: Site, unit: Sequence[Part]) -> None:
        self._clock = Clock()
        self._unit = unit
        shared = Machine(self._clock, site.cores)
        self._store = Store(
            self._clock,
            shared if site.is_shared else Machine(self._clock, site.cores),
            site.turn_cpu_s,
            site.flush_s,
        )
        self._roles: dict[str, list[tuple[Process, Writer]]] = {}
        for role, count in site.processes.items():
            machine = shared if site.is_shared else Machine(self._clock, max(site.cores, count))
            self._roles[role] = [
                (Process(machine), Writer(self._clock, self._store, site.hop_s))
                for _ in range(count)
            ]
        self._taken_s: list[float] = []
        self._warm_s = 0.0

    def closed(self, clients: int, for_s: float) -> Outcome:
        """Have so many clients, each of which asks again when it is answered."""

        def ask(client: int) -> None:
            self._begin(client, lambda: ask(client))

        self._warm_s = for_s * WARM_SHARE
        for client in range(clients):
            self._clock.after(0, partial(ask, client))
        return self._outcome(for_s)

    def open(self, per_s: float, for_s: float, seed: int = 1) -> Outcome:
        """Have so many units a second come, at random."""
        chance = random.Random(seed)
        numbers = itertools.count()

        def come() -> None:
            self._begin(next(numbers), lambda: None)
            self._clock.after(chance.expovariate(per_s), come)

        self._warm_s = for_s * WARM_SHARE
        self._clock.after(0, come)
        return self._outcome(for_s)

    def _begin(self, number: int, then: Action) -> None:
        began_s = self._clock.now_s

        def go_on(index: int) -> None:
            if index < len(self._unit):
                self._do(self._unit[index], number, lambda: go_on(index + 1))
                return
            if began_s >= self._warm_s:
                self._taken_s.append(self._clock.now_s - began_s)
            then()

        go_on(0)

    def _do(self, part: Part, number: int, done: Action) -> None:
        those = self._roles[part.step_of or part.where]
        process, writer = those[number % len(those)]
        if part.where == STORE:
            writer.step(part.cpu_s, done)
        else:
            process.do(part.cpu_s, done)

    def _outcome(self, for_s: float) -> Outcome:
        self._clock.run(for_s)
        taken = sorted(self._taken_s) or [math.inf]
        busy = {
            role: sum(process.busy_s for process, _ in those) / len(those) / for_s
            for role, those in self._roles.items()
        }
        return Outcome(
            len(self._taken_s) / (for_s - self._warm_s),
            taken[len(taken) // 2] * 1000,
            taken[math.ceil(len(taken) * 0.99) - 1] * 1000,
            busy | {STORE: self._store.busy_s / for_s},
            self._store.steps / max(1, self._store.turns),
        )
