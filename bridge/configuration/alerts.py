"""Alerts, as their file describes them: what must hold for how long, and who is told."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from bridge.configuration.credentials import AnyWorkflowAuth, StandardWebhooksAuth
from bridge.configuration.fields import (
    NOT_IN_FILES,
    Entry,
    HttpUrl,
    Pause,
    Seconds,
    Secret,
    Slug,
    unsound,
)
from bridge.configuration.rules import KEY_MISSING
from bridge.configuration.server_options import FixedHeaders, sets_header
from bridge.configuration.wording import suggestion
from bridge.errors import Fault
from bridge.formats.pointers import pointer_to
from bridge.formats.signatures import key_of

WITHIN_S = (60.0, 6 * 3600.0)
"""How far back failures of calls may be counted: each minute of it is read at each look."""

_PLACE_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}(/[A-Za-z0-9_-]{1,64})?$"


def _is_ours(header: str) -> bool:
    return sets_header(header) or header.lower() in StandardWebhooksAuth.headers


def _place(text: str) -> str:
    if not re.fullmatch(_PLACE_PATTERN, text):
        raise ValueError("must be a server, or a server and one of its parts, as support/question")
    return text


def _some_minutes(length_s: float) -> float:
    if not WITHIN_S[0] <= length_s <= WITHIN_S[1]:
        raise ValueError("must be a time from 1m to 6h")
    return length_s


def _some(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("must name at least one receiver")
    if len(set(names)) < len(names):
        raise ValueError("must name each receiver once, for each is told once")
    return names


def _empty_if_none(raw: object) -> object:
    return {} if raw is None else raw


AlertPlace = Annotated[
    str, AfterValidator(_place), WithJsonSchema({"type": "string", "pattern": _PLACE_PATTERN})
]
"""A server, or a server and one of its hooks or workflows."""

ReceiverNames = Annotated[
    tuple[Slug, ...],
    AfterValidator(_some),
    WithJsonSchema(
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}
    ),
]

Percent = Annotated[float, Field(gt=0, lt=100)]


class AlertReceiver(Entry):
    """Who is told: an address, and what it knows the bridge by."""

    name: str = Field("", alias=NOT_IN_FILES)
    url: HttpUrl = Field(
        description="Where alerts are posted to, ${BRIDGE_N8N_URL}/webhook/… say. It may be "
        "inside your network; no redirect is followed."
    )
    auth: AnyWorkflowAuth | None = Field(
        None, description="What the address asks for, as a workflow's `auth`."
    )
    standard_webhooks: Secret | None = Field(
        None,
        description="The secret that each event is signed with, as env:NAME: base64, with or "
        "without `whsec_` before it.",
    )
    headers: FixedHeaders = Field({}, description="Headers that are sent beside, by name.")

    @field_validator("standard_webhooks")
    @classmethod
    def _check_key(cls, secret: Secret | None) -> Secret | None:
        if secret is not None:
            key_of(secret.get_secret_value())
        return secret

    @model_validator(mode="after")
    def _check_headers(self) -> Self:
        proofs = self.auth.headers if self.auth else ()
        faults = [
            Fault("/auth/header/name", "is set by the bridge or by HTTP itself: name another")
            for name in proofs
            if _is_ours(name)
        ]
        for name in self.headers:
            by = "`auth`" if name.lower() in proofs else "the bridge or by HTTP itself"
            if name.lower() in proofs or _is_ours(name):
                faults.append(Fault(pointer_to(("headers", name)), f"is set by {by}: drop it"))
        if faults:
            raise unsound(faults)
        return self


class OldestQueuedEvent(Entry):
    """An event has waited for too long, on a hook."""

    on: AlertPlace | None = Field(
        None, description="`SERVER` or `SERVER/HOOK`; without it, each hook there is."
    )
    older_than_s: Seconds = Field(alias="older_than", description="How long none should wait.")


class DeadEvents(Entry):
    """Too many events of a hook are set aside."""

    on: AlertPlace | None = Field(
        None, description="`SERVER` or `SERVER/HOOK`; without it, each hook there is."
    )
    more_than: int = Field(0, ge=0, description="How many may be.")


class DeadReplies(Entry):
    """Too many replies are set aside: n8n has not taken them."""

    more_than: int = Field(0, ge=0, description="How many may be, of all servers.")


class FailedCalls(Entry):
    """Too many calls of a workflow have failed of late."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["more_than"]}, {"required": ["more_than_percent"]}]
        }
    )

    on: AlertPlace | None = Field(
        None, description="`SERVER` or `SERVER/WORKFLOW`; without it, each workflow there is."
    )
    within_s: Annotated[Seconds, AfterValidator(_some_minutes)] = Field(
        alias="within", description="Over the last how many minutes, from `1m` to `6h`."
    )
    more_than: int | None = Field(None, ge=0, description="How many may fail in that time.")
    more_than_percent: Percent | None = Field(
        None,
        description="Which share of those that ended may fail. With `more_than` beside it both "
        "must be passed, so that one failure of one call is none of 100 %.",
    )

    @model_validator(mode="after")
    def _check_that_it_bounds_something(self) -> Self:
        if self.more_than is None and self.more_than_percent is None:
            raise unsound([Fault("", "needs `more_than` or `more_than_percent`")], KEY_MISSING)
        return self


class OverdueCalls(Entry):
    """A call is due and no worker begins it."""

    longer_than_s: Seconds = Field(alias="longer_than", description="How long none should be.")


class N8nAway(Entry):
    """n8n does not answer at `BRIDGE_N8N_URL`, or replies to an origin rest."""


class WorkersAlive(Entry):
    """Too few workers live."""

    fewer_than: int = Field(1, ge=1, description="How many there should be.")


class WebsAlive(Entry):
    """Too few web processes live."""

    fewer_than: int = Field(1, ge=1, description="How many there should be.")


class RedisMemory(Entry):
    """Redis uses too much memory."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["more_than_percent"]}, {"required": ["more_than_bytes"]}]
        }
    )

    more_than_percent: Percent | None = Field(
        None, description="Of its `maxmemory`; where that is not set, there is no such share."
    )
    more_than_bytes: int | None = Field(None, ge=1, description="Of `used_memory`.")

    @model_validator(mode="after")
    def _check_that_it_bounds_something(self) -> Self:
        if self.more_than_percent is None and self.more_than_bytes is None:
            raise unsound(
                [Fault("", "needs `more_than_percent` or `more_than_bytes`")], KEY_MISSING
            )
        return self


class RedisAway(Entry):
    """Redis does not answer a web process, which tells of it by itself."""


AlertCondition = (
    OldestQueuedEvent
    | DeadEvents
    | DeadReplies
    | FailedCalls
    | OverdueCalls
    | N8nAway
    | WorkersAlive
    | WebsAlive
    | RedisMemory
    | RedisAway
)
"""What may be wrong."""


class When(Entry):
    """What must hold: one of these."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    oldest_queued_event: OldestQueuedEvent | None = Field(
        None, description="An event has waited for too long."
    )
    dead_events: Annotated[DeadEvents | None, BeforeValidator(_empty_if_none)] = Field(
        None, description="Events are set aside."
    )
    dead_replies: Annotated[DeadReplies | None, BeforeValidator(_empty_if_none)] = Field(
        None, description="Replies are set aside."
    )
    failed_calls: FailedCalls | None = Field(None, description="Calls of a workflow fail.")
    overdue_calls: OverdueCalls | None = Field(None, description="No worker begins a call.")
    n8n_away: Annotated[N8nAway | None, BeforeValidator(_empty_if_none)] = Field(
        None, description="n8n does not answer at `BRIDGE_N8N_URL`, or replies to it rest."
    )
    workers: Annotated[WorkersAlive | None, BeforeValidator(_empty_if_none)] = Field(
        None, description="Too few workers live; a web process tells of it."
    )
    webs: Annotated[WebsAlive | None, BeforeValidator(_empty_if_none)] = Field(
        None, description="Too few web processes live; a worker tells of it where none does."
    )
    redis_memory: RedisMemory | None = Field(None, description="Redis is filling up.")
    redis_away: Annotated[RedisAway | None, BeforeValidator(_empty_if_none)] = Field(
        None, description="Redis does not answer; each web process tells of it, once."
    )

    @property
    def kind(self) -> str:
        """Return the key that was given."""
        return next(iter(self.model_fields_set))

    @property
    def condition(self) -> AlertCondition:
        """Return what that key holds."""
        found: AlertCondition = getattr(self, self.kind)
        return found

    @model_validator(mode="after")
    def _check_that_it_is_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            known = ", ".join(self.keys())
            raise unsound([Fault("", f"must have exactly one of the keys {known}")])
        if self.condition is None:
            raise unsound([Fault(f"/{self.kind}", "must be a mapping of keys to values")])
        return self


class AlertRule(Entry):
    """One thing that people want to be told of."""

    name: str = Field("", alias=NOT_IN_FILES)
    description: str = Field("", description="What receivers are told beside what is wrong.")
    when: When = Field(description="What must hold.")
    for_s: Pause = Field(
        0,
        alias="for",
        description="For how long it must hold before anybody is told, so that what comes and "
        "goes is not told at all.",
    )
    severity: Literal["info", "warning", "critical"] = Field(
        "warning", description="How much it matters, for whoever sorts alerts."
    )
    to: ReceiverNames = Field(description="The names of receivers.")
    repeat_s: Seconds | None = Field(
        None,
        alias="repeat",
        description="How long after it was told it is told again, while it goes on; without it, "
        "never.",
    )

    @model_validator(mode="after")
    def _check_repeat(self) -> Self:
        if self.when.redis_away is not None and self.repeat_s is not None:
            raise unsound(
                [Fault("/repeat", "is not for `redis_away`, which is told once: drop it")]
            )
        return self


class DeadMansEvent(Entry):
    """An event that comes as long as all is well: who misses it knows that it is not."""

    every_s: Seconds = Field(60, alias="every", description="How long after the one before.")
    to: ReceiverNames = Field(description="The names of receivers.")


class Alerts(Entry):
    """Who is told of what goes wrong."""

    editor_schema: str | None = Field(None, alias="$schema", description="For editors only.")
    receivers: dict[Slug, AlertReceiver] = Field(description="Who can be told, by name.")
    alerts: dict[Slug, AlertRule] = Field({}, description="What is told, by name.")
    heartbeat: DeadMansEvent | None = Field(
        None,
        description="Posts an event as long as a web process, a worker and Redis live, so that "
        "a bridge that has fallen silent is noticed.",
    )

    @field_validator("heartbeat", mode="before")
    @classmethod
    def _check_that_it_is_given(cls, raw: object) -> object:
        if raw is None:
            raise ValueError("must be a mapping of keys to values")
        return raw

    @field_validator("receivers", "alerts")
    @classmethod
    def _name_by_key(cls, parts: dict[str, Any]) -> dict[str, Any]:
        return {name: part.model_copy(update={"name": name}) for name, part in parts.items()}

    @model_validator(mode="after")
    def _check_receivers(self) -> Self:
        if faults := list(self._unknown_receivers()):
            raise unsound(faults)
        return self

    def _unknown_receivers(self) -> Iterator[Fault]:
        named: list[tuple[tuple[str, ...], ReceiverNames]] = [
            (("alerts", name), rule.to) for name, rule in self.alerts.items()
        ]
        named += [(("heartbeat",), self.heartbeat.to)] if self.heartbeat else []
        for place, receivers in named:
            for number, name in enumerate(receivers):
                if name not in self.receivers:
                    said = f"is none of the `receivers`; {suggestion(name, self.receivers)}"
                    yield Fault(pointer_to((*place, "to", number)), said)
