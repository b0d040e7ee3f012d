"""What events must do, in plain Python: the model that the steps are held against."""

from dataclasses import dataclass, field

FINAL = frozenset({"answered", "expired"})
OPEN = frozenset({"queued", "delayed", "leased"})


@dataclass(frozen=True)
class Claim:
    """A right that was once given out: to whom, and by which process."""

    event_id: str
    token: str
    principal: str


@dataclass
class EventModel:
    """One event; `lease` is the newest token that may still settle it."""

    event_id: str
    hook: str
    order: int
    max_attempts: int
    has_address: bool
    has_default: bool
    status: str = "queued"
    attempt: int = 0
    lease: str | None = None
    leased_by: str | None = None
    holder: str = ""
    released: dict[str, str] = field(default_factory=dict)
    answered_with: str | None = None
    value: bytes | None = None
    reply: str = "none"
    matter: str = ""
    merged: int = 0
    is_lapsed: bool = False
    is_overdue: bool = False
    is_closed: bool = False


@dataclass(frozen=True)
class WaiterModel:
    """Who stands in line: under what name, for which hook or any, and with which right to come."""

    waiter: str
    only: str | None
    token: str
    principal: str
    process: str


@dataclass
class InboxModel:
    """All events, and what each process holds."""

    priorities: dict[str, int]
    events: dict[str, EventModel] = field(default_factory=dict)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    newest_of: dict[str, str] = field(default_factory=dict)
    held: set[tuple[str, str, str]] = field(default_factory=set)
    line: list[WaiterModel] = field(default_factory=list)
    left: set[WaiterModel] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)

    def accept(self, event: EventModel, key: str, digest: str) -> tuple[str, str | None]:
        """Tell the outcome and the id of the event that stands for the request."""
        if key in self.keys:
            known, known_digest = self.keys[key]
            return ("duplicate", known) if known_digest == digest else ("conflict", None)
        survivor = self.events.get(self.newest_of.get(event.matter, ""))
        if survivor and survivor.status in ("queued", "delayed") and survivor.lease is None:
            survivor.merged += 1
            outcome, event = "merged", survivor
        else:
            self.events[event.event_id] = event
            outcome = "accepted"
        if key:
            self.keys[key] = (event.event_id, digest)
        if event.matter:
            self.newest_of[event.matter] = event.event_id
        return outcome, event.event_id

    def serve(self) -> None:
        """Lease what is queued to those in line, the first of them first."""
        for waiter in list(self.line):
            event = self.next(waiter.only)
            if event is not None:
                self.line.remove(waiter)
                self._lease(event, waiter.token, waiter.principal, waiter.process)

    def given(self, waiter: WaiterModel) -> EventModel | None:
        """Find the event that is leased to a waiter."""
        wanted = ("leased", waiter.token)
        return next((e for e in self.events.values() if (e.status, e.lease) == wanted), None)

    def look(self, waiter: WaiterModel) -> str | None:
        """Return a waiter what is leased to it by now, or the next event, or a place in line."""
        if waiter in self.left:
            return None
        event = self.given(waiter)
        if event is not None:
            return event.event_id
        if waiter in self.line:
            return None
        event_id = self.take(waiter.only, waiter.token, waiter.principal, waiter.process)
        if event_id is None:
            self.line.append(waiter)
        return event_id

    def leave(self, waiter: WaiterModel) -> None:
        """Strike a waiter out; what was leased to it goes to the next."""
        self.left.add(waiter)
        if waiter in self.line:
            self.line.remove(waiter)
        self.lose(waiter)

    def lose(self, waiter: WaiterModel) -> None:
        """Return the event that is leased to a waiter to the next."""
        event = self.given(waiter)
        if event is not None:
            self.abandon(Claim(event.event_id, waiter.token, waiter.principal))

    def next(self, only: str | None) -> EventModel | None:
        """Find the event that a taker gets now."""
        queued = [
            event
            for event in self.events.values()
            if event.status == "queued"
            and only in (None, event.hook)
            and event.hook not in self.paused
        ]
        return min(queued, key=lambda e: (-self.priorities[e.hook], e.order), default=None)

    def take(self, only: str | None, token: str, principal: str, process: str) -> str | None:
        """Lease the next event; returns its id."""
        event = self.next(only)
        if event is None:
            return None
        self._lease(event, token, principal, process)
        return event.event_id

    def take_back(self, event_id: str) -> str:
        """Queue an event again that is leased; its taker may still answer."""
        event = self.events[event_id]
        if event.status != "leased":
            return "refused"
        self._let_go(event, event.lease or "")
        event.status = "queued"
        event.attempt -= 1
        return "released"

    def _lease(self, event: EventModel, token: str, principal: str, process: str) -> None:
        event.status, event.lease, event.leased_by = "leased", token, principal
        event.attempt += 1
        event.holder, event.is_lapsed = process, False
        self.held.add((process, event.event_id, token))

    def answer(self, claim: Claim, value: bytes) -> tuple[str, str]:
        """Settle an event for good, the first time."""
        event = self.events[claim.event_id]
        if not self._is_newest(event, claim):
            return "lost", event.status
        if event.answered_with == claim.token and event.value == value:
            return "answered", event.reply
        if event.status not in OPEN | {"dead"} or event.value is not None:
            return "lost", event.status
        self._let_go(event, claim.token)
        event.status, event.answered_with, event.value = "answered", claim.token, value
        event.reply = "pending" if event.has_address else "none"
        return "answered", event.reply

    def extend(self, claim: Claim) -> str:
        """Move the end of a lease into the future."""
        event = self.events[claim.event_id]
        if not self._is_newest(event, claim) or event.status != "leased":
            return "lost"
        event.is_lapsed = False
        return "extended"

    def release(self, claim: Claim, status: str) -> tuple[str, str]:
        """Return a lease back; after the last attempt the event is dead."""
        event = self.events[claim.event_id]
        if claim.token in event.released:
            return "released", event.released[claim.token]
        if not self._is_newest(event, claim) or event.status not in OPEN:
            return "lost", event.status
        self._let_go(event, claim.token)
        event.status = "dead" if event.attempt >= event.max_attempts else status
        event.released = {claim.token: event.status}
        event.lease = None
        return "released", event.released[claim.token]

    def redrive(self, event_id: str) -> tuple[str, str]:
        """Put an event that is set aside back, as if it were new."""
        event = self.events[event_id]
        if event.status not in ("dead", "expired") or event.value is not None:
            return "refused", event.status
        event.status, event.attempt = "queued", 0
        event.is_overdue = event.is_closed = False
        return "redriven", event.status

    def abandon(self, claim: Claim) -> None:
        """Queue an event again that was not handed over; its attempt does not count."""
        event = self.events[claim.event_id]
        entry = (event.holder, claim.event_id, claim.token)
        is_held = entry in self.held
        self.held.discard(entry)
        if is_held and event.status == "leased" and event.lease == claim.token:
            event.status, event.is_lapsed = "queued", False
            event.attempt -= 1

    def hand_over(self, claim: Claim) -> None:
        """Have the taker hold the event instead of its process."""
        event = self.events[claim.event_id]
        self.held.discard((event.holder, claim.event_id, claim.token))

    def hold(self, claim: Claim, process: str) -> None:
        """Have another process answer for an event that is about to be handed over again."""
        event = self.events[claim.event_id]
        entry = (event.holder, claim.event_id, claim.token)
        if event.lease != claim.token:
            return
        if event.status == "leased" and entry in self.held:
            self.held.remove(entry)
        elif event.status == "queued" and event.hook not in self.paused:
            event.status, event.is_lapsed = "leased", False
            event.attempt += 1
        else:
            return
        event.holder = process
        self.held.add((process, claim.event_id, claim.token))

    def sweep(self) -> None:
        """Let time do what it was due to do."""
        for event in sorted(self.events.values(), key=lambda each: each.event_id):
            is_due, event.is_lapsed = event.is_lapsed, False
            if is_due and event.status == "leased":
                self._let_go(event, event.lease)
                event.status = "dead" if event.attempt >= event.max_attempts else "queued"
            elif is_due and event.status == "delayed":
                event.status = "queued"
        for event in self.events.values():
            if event.is_overdue and event.status not in FINAL and not event.is_closed:
                self._let_go(event, event.lease)
                event.is_closed = True
                if event.status != "dead":
                    event.status = "expired"
                if event.has_default:
                    event.value = b"0"
                    event.reply = "pending" if event.has_address else "none"

    def _is_newest(self, event: EventModel, claim: Claim) -> bool:
        return (event.lease, event.leased_by) == (claim.token, claim.principal)

    def _let_go(self, event: EventModel, token: str | None) -> None:
        self.held.discard((event.holder, event.event_id, token or ""))
        event.is_lapsed = False
