"""Servers, their hooks and their workflows, as server files describe them."""

import json
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from bridge.configuration.credentials import (
    AnyWorkflowAuth,
    BasicAuth,
    BearerAuth,
    GithubAuth,
    HeaderAuth,
    HookAuth,
    HookAuths,
    StandardWebhooksAuth,
    Token,
    TokenEntry,
    WorkflowAuth,
)
from bridge.configuration.fields import (
    BUILT_IN_TOOLS,
    NOT_IN_FILES,
    AnyRate,
    Entry,
    HttpUrl,
    JsonSchema,
    ObjectSchema,
    Pause,
    Pointer,
    Seconds,
    Slug,
    ToolName,
    unsound,
)
from bridge.configuration.rules import KEY_MISSING
from bridge.configuration.server_options import (
    Approve,
    By,
    ByHook,
    Dedupe,
    FixedHeaders,
    Handshake,
    Keep,
    Per,
    sets_header,
)
from bridge.errors import Fault
from bridge.formats.pointers import pointer_to
from bridge.schemas.compile import faults_in_value

__all__ = [
    "BUILT_IN_TOOLS",
    "Annotations",
    "BasicAuth",
    "BearerAuth",
    "Coalesce",
    "GithubAuth",
    "HeaderAuth",
    "Hook",
    "HookAuth",
    "Limits",
    "Retry",
    "Server",
    "StandardWebhooksAuth",
    "Token",
    "Workflow",
    "WorkflowAuth",
]


class Coalesce(Entry):
    """Events of one key that arrive within a window become one, while nobody has taken it."""

    key: Pointer = Field(description="JSON Pointer of the key in the payload.")
    window_s: Seconds = Field(
        alias="window",
        description="For how long after the first event later ones become part of it.",
    )


class Limits(Entry):
    """How much a hook takes in before it answers 429."""

    rate: AnyRate | None = Field(None, description="Such as 100/s or 60/m.")
    queued: int | None = Field(None, ge=1, description="Events that may wait at once.")


class Hook(Entry):
    """A way in: n8n sends events, Claude answers them."""

    name: str = Field("", alias=NOT_IN_FILES)
    description: str = Field("", description="What arrives here, and what Claude shall answer.")
    auth: HookAuths = Field(description="What proves the sender; of a list, any one will do.")
    reply_url: Literal["signed", "unsigned"] = Field(
        "signed", description="`unsigned` lets auth that covers no headers name a reply address."
    )
    payload: JsonSchema | None = Field(None, description="JSON Schema of what n8n sends.")
    reply: JsonSchema | None = Field(None, description="JSON Schema of Claude's answer.")
    answer_within_s: Seconds | None = Field(
        None, alias="answer_within", description="After this time the event expires."
    )
    default_reply: JsonValue = Field(None, description="What n8n gets when the event expires.")
    lease_s: Seconds = Field(900, alias="lease", description="How long Claude may hold an event.")
    max_attempts: int = Field(5, ge=1, description="Leases after which an event is set aside.")
    priority: int = Field(0, description="Events of higher ones are taken first.")
    coalesce: Coalesce | None = Field(None, description="Which events become one.")
    limits: Limits | None = Field(None, description="How much the hook takes in.")
    keep: Keep | None = Field(None, description="What of a request is shown beside the payload.")
    dedupe: Dedupe | None = Field(None, description="What tells that an event came before.")
    handshake: Handshake | None = Field(
        None, description="How the sender asks, before its first event, whether it may send here."
    )

    @property
    def has_default_reply(self) -> bool:
        """Report whether the file gives a default reply, which may well be null."""
        return "default_reply" in self.model_fields_set

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
            raise unsound(faults)
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
            raise unsound(faults)
        return self


class Retry(Entry):
    """How often, and after which waits, a call that failed is tried again."""

    attempts: int = Field(3, ge=1, description="How often it is sent in all.")
    first_s: Seconds = Field(2, alias="first", description="The wait before the second attempt.")
    cap_s: Seconds = Field(60, alias="cap", description="No wait is longer.")


class Annotations(Entry):
    """What Claude is told that a workflow does to the world."""

    read_only: bool = Field(False, description="It changes nothing.")
    idempotent: bool = Field(False, description="Running it twice is as good as once.")
    destructive: bool | None = Field(None, description="It may delete or overwrite.")
    open_world: bool = Field(True, description="It reaches beyond n8n.")

    @model_validator(mode="after")
    def _check_contradiction(self) -> Self:
        if self.read_only and self.destructive:
            raise unsound([Fault("/destructive", "contradicts `read_only`: keep one of the two")])
        return self


class Workflow(Entry):
    """A way out: one MCP tool that runs one n8n workflow."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["url"]}, {"required": ["kind", "handler"]}],
            "dependentRequired": {"handler": ["kind"]},
        }
    )

    name: str = Field("", alias=NOT_IN_FILES)
    title: str | None = Field(None, description="What people see instead of the tool's name.")
    description: str = Field("", description="What Claude reads to decide when to call it.")
    kind: Literal["python"] | None = Field(None, description="`python`: a function, no webhook.")
    handler: str = Field(
        "",
        pattern=r"^([A-Za-z_][\w]*(\.[A-Za-z_][\w]*)*:[A-Za-z_][\w]*)?$",
        description="The function of `kind: python`, as package.module:function.",
    )
    url: HttpUrl = Field("", description="The workflow's webhook, ${BRIDGE_N8N_URL}/webhook/…")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = Field(
        "POST", description="What the webhook listens for."
    )
    auth: AnyWorkflowAuth | None = Field(None, description="What the webhook asks for.")
    headers: FixedHeaders = Field({}, description="Headers that are sent beside `auth`.")
    input: ObjectSchema = Field(
        {"type": "object", "additionalProperties": False},
        description="JSON Schema of the tool's arguments; without it there are none.",
    )
    output: JsonSchema | None = Field(None, description="JSON Schema of n8n's answer.")
    result: Literal["response", "execution", "callback"] = Field(
        "response", description="How the result comes back."
    )
    progress: bool = Field(False, description="Send the address that takes progress reports.")
    timeout_s: Seconds = Field(1200, alias="timeout", description="Of all attempts together.")
    answer_inline_for_s: Pause = Field(
        45, alias="answer_inline_for", description="A call that takes longer returns a handle."
    )
    attach: bool = Field(True, description="Whether a repeated call may join an earlier one.")
    attach_for_s: Pause | None = Field(
        600,
        alias="attach_for",
        validate_default=True,
        description="How long after its end an earlier call may be joined.",
    )
    retry: Retry = Field(Retry(), description="When a failed call is sent again.")
    concurrency: int = Field(20, ge=1, description="Calls at once, over all workers.")
    rate: AnyRate | None = Field(
        None, description="Requests to n8n in a time, over all workers: 10/s or 60/m."
    )
    annotations: Annotations = Field(Annotations(), description="Hints to Claude.")
    approve: Approve | None = Field(None, description="When somebody must agree to a call.")
    by: By | None = Field(None, description="Who agrees.")
    per: Per | None = Field(None, description="How much of it each principal may have.")

    @model_validator(mode="after")
    def _check_where_it_runs(self) -> Self:
        if self.kind is None and not self.url:
            raise unsound([Fault("", "needs `url`")], KEY_MISSING)
        if self.kind is None and self.handler:
            raise unsound([Fault("/handler", "is for `kind: python` alone")])
        if self.kind == "python" and not self.handler:
            said = "needs `handler`, as package.module:function"
            raise unsound([Fault("", said)], KEY_MISSING)
        if self.kind == "python" and self.url:
            raise unsound([Fault("/url", "is not called with `kind: python`: drop one of the two")])
        return self

    @model_validator(mode="after")
    def _check_headers(self) -> Self:
        proofs = self.auth.headers if self.auth else ()
        taken = dict.fromkeys(proofs, "set by `auth`")
        faults = [
            Fault("/auth/header/name", "is set by the bridge or by HTTP itself: name another")
            for name in proofs
            if sets_header(name)
        ]
        for name in self.headers:
            why = "set by the bridge or by HTTP itself" if sets_header(name) else ""
            if said := taken.get(name.lower(), why):
                faults.append(Fault(pointer_to(("headers", name)), f"is {said}: drop it"))
            taken[name.lower()] = "given twice"
        if faults:
            raise unsound(faults)
        return self

    @field_validator("attach_for_s")
    @classmethod
    def _never_if_turned_off(cls, value: float | None, info: ValidationInfo) -> float | None:
        return value if info.data.get("attach", True) else None


def _hooks_that_approve(server: "Server") -> Iterator[Fault]:
    """Name the hooks that are to be asked and that there are not."""
    for name, workflow in server.workflows.items():
        if isinstance(workflow.by, ByHook) and workflow.by.hook not in server.hooks:
            yield Fault(pointer_to(("workflows", name, "by", "hook")), "is no hook of this server")


def _empty_if_none(raw: object) -> object:
    return {} if raw is None else raw


Hooks = Annotated[
    dict[Slug, Hook],
    BeforeValidator(_empty_if_none, json_schema_input_type=dict[Slug, Hook] | None),
]
Workflows = Annotated[
    dict[ToolName, Workflow],
    BeforeValidator(_empty_if_none, json_schema_input_type=dict[ToolName, Workflow] | None),
]


class Server(Entry):
    """One named set of hooks and workflows: one MCP server to Claude."""

    editor_schema: str | None = Field(None, alias="$schema", description="For editors only.")
    name: Slug = Field(description="The address is /mcp/NAME.")
    title: str = Field(
        "", validate_default=True, description="What people see; the name if there is none."
    )
    description: str = Field("", description="What Claude reads first about this server.")
    tokens: tuple[TokenEntry, ...] = Field((), description="What lets Claude clients in.")
    trim_context: bool | Literal["hard"] = Field(
        True, description="Spare Claude null and n8n's envelope; `hard`: all empty members too."
    )
    hooks: Hooks = Field({}, description="Ways in, n8n to Claude, by name.")
    workflows: Workflows = Field({}, description="Ways out, Claude to n8n, by the tool's name.")

    @field_validator("trim_context", mode="wrap")
    @classmethod
    def _say_all_that_it_may_be(
        cls, raw: object, check: ValidatorFunctionWrapHandler
    ) -> bool | Literal["hard"]:
        try:
            known: bool | Literal["hard"] = check(raw)
        except ValidationError as error:
            raise ValueError("must be true, false or hard") from error
        return known

    @model_validator(mode="after")
    def _check_who_approves(self) -> Self:
        if faults := list(_hooks_that_approve(self)):
            raise unsound(faults)
        return self

    @field_validator("title")
    @classmethod
    def _fall_back_on_name(cls, title: str, info: ValidationInfo) -> str:
        return title or str(info.data.get("name", ""))

    @field_validator("tokens")
    @classmethod
    def _check_one_name_a_token(cls, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        names: dict[str, str] = {}
        for token in tokens:
            first = names.setdefault(token.value.get_secret_value(), token.name)
            if first != token.name:
                raise ValueError(f"gives {first} and {token.name} the same token: make another")
        return tokens

    @field_validator("hooks", "workflows")
    @classmethod
    def _name_by_key(cls, parts: dict[str, Any]) -> dict[str, Any]:
        return {name: part.model_copy(update={"name": name}) for name, part in parts.items()}
