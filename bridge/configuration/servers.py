"""Servers, their hooks and their workflows, as server files describe them."""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
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
    StandardWebhooksAuth,
    Token,
    TokenEntry,
    WorkflowAuth,
)
from bridge.configuration.fields import (
    BUILT_IN_TOOLS,
    NOT_IN_FILES,
    AnyRate,
    Count,
    Entry,
    HttpUrl,
    JsonSchema,
    ObjectSchema,
    Pause,
    Seconds,
    Slug,
    ToolName,
    unsound,
)
from bridge.configuration.hooks import Coalesce, Hook, Limits
from bridge.configuration.python_processes import FunctionName, PythonProcess
from bridge.configuration.rules import KEY_MISSING
from bridge.configuration.server_options import (
    Annotations,
    Approve,
    By,
    ByHook,
    FixedHeaders,
    Per,
    Retry,
    sets_header,
)
from bridge.configuration.wording import suggestion
from bridge.errors import Fault
from bridge.formats.embedded_files import declares_files
from bridge.formats.pointers import pointer_to

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


OF_WEBHOOKS = frozenset({"method", "auth", "headers", "result", "progress"})


class Workflow(Entry):
    """A way out: one MCP tool that runs one n8n workflow, or a function in Python."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["url"]}, {"required": ["kind", "handler"]}],
            "dependentRequired": {"handler": ["kind"]},
        }
    )

    name: str = Field("", alias=NOT_IN_FILES)
    title: str | None = Field(
        None,
        description="What people see instead of the tool's name; without it, made from the name.",
    )
    description: str = Field(
        "", description="What Claude reads to decide when to call it. `check` insists on one."
    )
    kind: Literal["python"] | None = Field(None, description="`python`: a function, no webhook.")
    handler: FunctionName = Field(
        "",
        description="The function of `kind: python`, as package.module:function.",
    )
    url: HttpUrl = Field("", description="The workflow's webhook, ${BRIDGE_N8N_URL}/webhook/…")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = Field(
        "POST",
        description="What the webhook listens for. GET, DELETE and HEAD send the arguments as "
        "the query, the others as JSON.",
    )
    auth: AnyWorkflowAuth | None = Field(None, description="What the webhook asks for.")
    headers: FixedHeaders = Field(
        {},
        description="Headers that are sent beside `auth`, by name, such as a service token of "
        "Cloudflare Access: `{CF-Access-Client-Id: env:ID, X-Tenant: acme}`. A value from `env:` "
        "is a secret, and becomes `[secret]` in results. Those that the bridge or HTTP sets "
        "itself are refused.",
    )
    input: ObjectSchema = Field(
        {"type": "object", "additionalProperties": False},
        description="JSON Schema of the tool's arguments; without it there are none.",
    )
    output: JsonSchema | None = Field(
        None,
        description="JSON Schema of n8n's answer; without it anything. An answer that breaks it "
        "is an error to Claude.",
    )
    result: Literal["response", "execution", "callback"] = Field(
        "response",
        description="How the result comes back. `response`: the webhook's own answer is the "
        "result. `callback`: the workflow posts it later. `execution`: the webhook answers at "
        "once with the execution's id, and the bridge follows that execution at n8n's API.",
    )
    progress: bool = Field(
        False, description="Send the workflow an address that takes progress reports."
    )
    timeout_s: Seconds = Field(
        1200, alias="timeout", description="From the first try to the end, all tries together."
    )
    answer_inline_for_s: Pause = Field(
        45,
        alias="answer_inline_for",
        description="How long a plain call waits before it returns a handle.",
    )
    attach: bool = Field(True, description="Whether the same call again may join an earlier one.")
    attach_for_s: Pause | None = Field(
        600,
        alias="attach_for",
        validate_default=True,
        description="How long after its end an earlier call may be joined.",
    )
    retry: Retry = Field(
        Retry(),
        description="How often an idempotent workflow is sent when it may have failed half-way, "
        "and the waits between.",
    )
    concurrency: Count = Field(
        20,
        description="Calls of it at once, over all workers; others stay `queued` and get their "
        "turn in the order they came. The time they wait does not count towards `timeout`.",
    )
    rate: AnyRate | None = Field(
        None,
        description="Requests to n8n in a time, over all workers: `10/s`, `60/m`, `5/h`. Each "
        "retry counts; others stay `queued` until their moment, which does not count towards "
        "`timeout`.",
    )
    annotations: Annotations = Field(
        Annotations(), description="What Claude is told about the tool."
    )
    approve: Approve | None = Field(
        None,
        description="When somebody must agree to a call before it is run: `never`, `always`, "
        "`destructive` (every one, unless `annotations` say that it is read-only or destroys "
        "nothing), or `when` with a JSON Schema: where the arguments are valid by it.",
    )
    by: By | None = Field(
        None,
        description="Who is asked. `console`, if nothing is said: who operates the bridge. "
        "`elicitation`: the user of Claude's client, where it takes tasks. `hook`: whoever answers "
        "the event, of anybody but who has made the call. Operators may always decide.",
    )
    approve_within_s: Seconds = Field(
        86_400,
        alias="approve_within",
        description="How long a call waits for somebody to agree, 24 hours if nothing is said; "
        "then it has failed and was never sent.",
    )
    caller: bool | None = Field(
        None,
        description="Tell it who asks: its requests carry `Bridge-Caller`, a signed token with the "
        "principal's name; a handler in Python has the same in `ctx.caller`. As the server says, "
        "where it says nothing itself.",
    )
    per: Per | None = Field(
        None,
        description="How much of it each principal may have, such as `{principal: {rate: 10/m, "
        "concurrency: 2}}`. Calls beyond it stay `queued` and keep nobody else's from running; the "
        "time they wait does not count towards `timeout`.",
    )

    @cached_property
    def takes_files(self) -> bool:
        """Report whether `input` declares texts in base64 that are files."""
        return declares_files(self.input)

    @cached_property
    def gives_files(self) -> bool:
        """Report whether `output` does."""
        return declares_files(self.output)

    @cached_property
    def asks_first(self) -> bool:
        """Report whether somebody may have to agree to a call of it."""
        spared = (None, "never", *(() if self.annotations.is_destructive else ("destructive",)))
        return self.approve not in spared

    @model_validator(mode="after")
    def _check_where_it_runs(self) -> Self:
        of = ("kind", "url", "handler")
        if self.kind is None and not self.url:
            raise unsound([Fault("/url", "needs `url`")], KEY_MISSING, of)
        if self.kind is None and self.handler:
            raise unsound([Fault("/handler", "is for `kind: python` alone")], of=of)
        if self.kind == "python" and not self.handler:
            said = "needs `handler`, as package.module:function"
            raise unsound([Fault("/handler", said)], KEY_MISSING, of)
        if self.kind == "python" and self.url:
            said = "is not called with `kind: python`: drop one of the two"
            raise unsound([Fault("/url", said)], of=of)
        if self.kind == "python" and (given := OF_WEBHOOKS & self.model_fields_set):
            said = "is for webhooks, and `kind: python` has none: drop it"
            raise unsound([Fault(f"/{name}", said) for name in sorted(given)], of=("kind",))
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
            raise unsound(faults, of=("auth", "headers"))
        return self

    @field_validator("attach_for_s")
    @classmethod
    def _never_if_turned_off(cls, value: float | None, info: ValidationInfo) -> float | None:
        return value if info.data.get("attach", True) else None


def _hooks_that_approve(server: "Server") -> Iterator[Fault]:
    """Name the hooks that are to be asked and that there are not."""
    for name, workflow in server.workflows.items():
        if isinstance(workflow.by, ByHook) and workflow.by.hook not in server.hooks:
            which = suggestion(workflow.by.hook, server.hooks) if server.hooks else "it has none"
            said = f"is no hook of this server; {which}"
            yield Fault(pointer_to(("workflows", name, "by", "hook")), said)


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
    name: Slug = Field(
        description="Small letters, digits, hyphens; part of every address, such as /mcp/NAME."
    )
    title: str = Field(
        "", validate_default=True, description="What people see; the name if there is none."
    )
    description: str = Field(
        "", description="What Claude reads first about this server; at most 2 KB."
    )
    tokens: tuple[TokenEntry, ...] = Field(
        (),
        description="What lets Claude clients in: `env:NAME`, or `name` and `token`. Several of "
        "one name are one principal, for rotation. None at all is allowed on loopback only.",
    )
    trim_context: bool | Literal["hard"] = Field(
        True,
        description="Leave null and n8n's envelope out of payloads and results; `hard`: all "
        "empty members too.",
    )
    caller: bool = Field(
        False,
        description="Tell all workflows who asks, but those that say otherwise. It tells n8n the "
        "names of your users.",
    )
    python: PythonProcess | None = Field(
        None, description="The process that runs the workflows of `kind: python`."
    )
    hooks: Hooks = Field({}, description="Ways in, n8n to Claude, by name.")
    workflows: Workflows = Field({}, description="Ways out, Claude to n8n, by the tool's name.")

    @property
    def webhooks(self) -> tuple[Workflow, ...]:
        """Return its workflows in n8n."""
        return tuple(each for each in self.workflows.values() if each.kind is None)

    @property
    def handlers(self) -> tuple[str, ...]:
        """Return the functions that its workflows in Python run."""
        named = (each.handler for each in self.workflows.values() if each.kind == "python")
        return tuple(dict.fromkeys(named))

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
            raise unsound(faults, of=("hooks",))
        return self

    @model_validator(mode="after")
    def _check_that_the_process_runs_something(self) -> Self:
        if self.python is not None and not self.handlers:
            said = "is for workflows of `kind: python`, and there are none: add one, or drop it"
            raise unsound([Fault("/python", said)])
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

    @field_validator("workflows")
    @classmethod
    def _fall_back_on_server(
        cls, workflows: dict[str, Workflow], info: ValidationInfo
    ) -> dict[str, Workflow]:
        told = {"caller": info.data.get("caller", False)}
        return {
            name: each.model_copy(update=told) if each.caller is None else each
            for name, each in workflows.items()
        }
