"""Hooks, the ways in of a server, as server files describe them."""

import json
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from bridge.configuration.credentials import HookAuths
from bridge.configuration.fields import (
    NOT_IN_FILES,
    AnyRate,
    Count,
    Entry,
    JsonSchema,
    Pointer,
    Seconds,
    WholeNumber,
    unsound,
)
from bridge.configuration.server_options import Dedupe, Handshake, Keep
from bridge.errors import Fault
from bridge.formats.embedded_files import declares_files
from bridge.schemas.compile import faults_in_value


class Coalesce(Entry):
    """Events of one key that arrive within a window become one, while nobody has taken it."""

    key: Pointer = Field(
        description="JSON Pointer of the key in the payload. A payload without it, and a request "
        "with a reply address, stays an event of its own: whoever waits there asked about just "
        "this payload."
    )
    window_s: Seconds = Field(
        alias="window",
        description="For how long after the first event later ones become part of it, as long as "
        "nobody has taken it. The newest payload counts, each sender is answered with that "
        "event's id, and Claude sees how many were `merged`; who waits with `Prefer` gets the "
        "one answer.",
    )


class Limits(Entry):
    """How much a hook takes in before it answers 429."""

    rate: AnyRate | None = Field(
        None,
        description="New events in a time, such as `100/s` or `60/m`; beyond, 429 with "
        "`Retry-After`.",
    )
    queued: Count | None = Field(
        None, description="Events that may wait at once; beyond, 503 with `Retry-After`."
    )


class Hook(Entry):
    """A way in: n8n sends events, Claude answers them."""

    name: str = Field("", alias=NOT_IN_FILES)
    description: str = Field("", description="What arrives here, and what Claude shall answer.")
    auth: HookAuths = Field(
        description="What proves the sender; of a list, any one will do, for rotation."
    )
    reply_url: Literal["signed", "unsigned"] = Field(
        "signed",
        description="`unsigned` lets a sender that proves itself by a signature name a reply "
        "address, which the signature does not cover.",
    )
    payload: JsonSchema | None = Field(
        None, description="JSON Schema of what n8n sends; without it anything."
    )
    reply: JsonSchema | None = Field(
        None, description="JSON Schema of Claude's answer; without it anything."
    )
    answer_within_s: Seconds | None = Field(
        None,
        alias="answer_within",
        description="After this time the event expires; without it, after `BRIDGE_EVENT_TTL_S`.",
    )
    default_reply: JsonValue = Field(
        None,
        description="What n8n gets when the event expires. An event that is `dead` by then stays "
        "dead, with its reason, for people to see; n8n gets the default all the same.",
    )
    lease_s: Seconds = Field(
        900,
        alias="lease",
        description="How long Claude may hold an event before it is queued again.",
    )
    max_attempts: Count = Field(
        5, description="Leases after which an event is set aside as `dead`."
    )
    priority: WholeNumber = Field(
        0, description="Events of hooks with a higher one are taken first."
    )
    coalesce: Coalesce | None = Field(None, description="Which events become one.")
    limits: Limits | None = Field(
        None,
        description="How much the hook takes in. Rather not: n8n retries blindly and gives up "
        "soon.",
    )
    keep: Keep | None = Field(
        None, description="What of a request Claude is shown beside the payload, as data."
    )
    dedupe: Dedupe | None = Field(
        None,
        description="What tells that an event came before. The same number within 24 hours is a "
        "duplicate, whatever else is written in it; an `Idempotency-Key` comes first, and "
        "without either every request is new.",
    )
    handshake: Handshake | None = Field(
        None, description="How the sender asks, before its first event, whether it may send here."
    )

    @property
    def has_default_reply(self) -> bool:
        """Report whether the file gives a default reply, which may well be null."""
        return "default_reply" in self.model_fields_set

    @cached_property
    def has_files(self) -> bool:
        """Report whether `payload` declares texts in base64 that are files."""
        return declares_files(self.payload)

    @cached_property
    def replies_with_files(self) -> bool:
        """Report whether `reply` does."""
        return declares_files(self.reply)

    @cached_property
    def default_reply_text(self) -> str:
        """The default reply as JSON; empty where the file gives none."""
        return json.dumps(self.default_reply) if self.has_default_reply else ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what its senders prove themselves by."""
        return tuple(secret for auth in self.auth for secret in auth.secrets)

    @model_validator(mode="after")
    def _check_what_headers_are_for(self) -> Self:
        proofs = {name for auth in self.auth for name in auth.headers}
        faults = [
            Fault(f"/keep/headers/{number}", f"is what proves this hook's sender ({name}): drop it")
            for number, name in enumerate(self.keep.headers if self.keep else ())
            if name.lower() in proofs
        ]
        fixed = {name for auth in self.auth if auth.covers_headers for name in auth.headers}
        if self.dedupe and (self.dedupe.header or "").lower() in fixed:
            said = "is what proves this hook's sender: all events but one would be duplicates"
            faults.append(Fault("/dedupe/header", said))
        if faults:
            raise unsound(faults, of=("auth", "keep", "dedupe"))
        return self

    @model_validator(mode="after")
    def _check_default_reply(self) -> Self:
        faults: list[Fault] = []
        if self.has_default_reply and self.answer_within_s is None:
            faults.append(Fault("/default_reply", "is never sent without `answer_within`: add it"))
        if self.has_default_reply and self.reply is not None:
            faults += [
                Fault(f"/default_reply{fault.pointer}", f"breaks the reply schema: {fault}")
                for fault in faults_in_value(self.reply, self.default_reply)
            ]
        if faults:
            raise unsound(faults, of=("answer_within", "default_reply", "reply"))
        return self
