"""What a hook and a workflow may be told beside their names and addresses."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    WithJsonSchema,
    model_validator,
)

from bridge.configuration.fields import (
    OF_HTTP,
    OUR_PREFIX,
    AnyRate,
    Count,
    Entry,
    HeaderName,
    JsonSchema,
    Pointer,
    Seconds,
    Secret,
    Slug,
    demand_name,
    unsound,
)
from bridge.configuration.variables import FromEnvironment
from bridge.errors import Fault
from bridge.formats.secret_names import names_a_secret

REPLY_ADDRESS = "bridge-reply-url"


class Retry(Entry):
    """How often, and after which waits, a call that failed is tried again."""

    attempts: Count = Field(
        3,
        description="How often it is sent in all, where it is idempotent and may have failed "
        "half-way.",
    )
    first_s: Seconds = Field(2, alias="first", description="The wait before the second attempt.")
    cap_s: Seconds = Field(60, alias="cap", description="No wait is longer.")


class Annotations(Entry):
    """What Claude is told that a workflow does to the world."""

    read_only: bool = Field(False, description="It changes nothing.")
    idempotent: bool = Field(
        False,
        description="Running it twice is as good as once. It also lets the bridge send twice.",
    )
    destructive: bool | None = Field(
        None, description="It may delete or overwrite; so it is taken to be unless it is read-only."
    )
    open_world: bool = Field(True, description="It reaches beyond n8n.")

    @property
    def is_destructive(self) -> bool:
        """Report whether it is taken to destroy: all is that is not said to be harmless."""
        return not self.read_only if self.destructive is None else self.destructive

    @model_validator(mode="after")
    def _check_contradiction(self) -> Self:
        if self.read_only and self.destructive:
            raise unsound([Fault("/destructive", "contradicts `read_only`: keep one of the two")])
        return self


class Keep(Entry):
    """What of a request is shown beside its payload."""

    headers: tuple[HeaderName, ...] = Field((), description="Headers, such as X-GitHub-Event.")
    query: bool = Field(False, description="The query of the address that it was sent to.")

    @model_validator(mode="after")
    def _check_that_something_is_kept(self) -> Self:
        if not (self.headers or self.query):
            raise unsound([Fault("", "keeps nothing: name `headers`, or set `query: true`")])
        return self

    @model_validator(mode="after")
    def _check_that_nothing_is_secret(self) -> Self:
        faults = []
        for number, name in enumerate(self.headers):
            if name.lower() == REPLY_ADDRESS:
                faults.append(Fault(f"/headers/{number}", "is the reply address, a secret"))
            elif names_a_secret(name):
                faults.append(
                    Fault(f"/headers/{number}", f"is a credential or a signature ({name}): drop it")
                )
        if faults:
            raise unsound(faults)
        return self


class Dedupe(Entry):
    """Where the sender says which of its events this is; the same one again is a duplicate."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    header: HeaderName | None = Field(None, description="A header, such as X-GitHub-Delivery.")
    pointer: Pointer | None = Field(None, description="JSON Pointer of the id in the payload.")

    @model_validator(mode="after")
    def _check_that_there_is_one(self) -> Self:
        if (self.header is None) == (self.pointer is None):
            raise unsound([Fault("", "must have either `header` or `pointer`")])
        if self.header is not None and self.header.lower() in OF_HTTP:
            raise unsound([Fault("/header", "is set by HTTP itself, and tells no event's id")])
        return self


class MetaHandshake(Entry):
    """Meta asks with GET, and proves itself by a token that was agreed on."""

    kind: ClassVar[str] = "meta"
    token: Secret = Field(alias="meta", description="The verify token, as env:NAME.")


def _kind(raw: object) -> str | None:
    if isinstance(raw, dict):
        return "meta" if list(raw) == ["meta"] else None
    return raw if isinstance(raw, str) else getattr(raw, "kind", None)


Handshake = Annotated[
    Annotated[Literal["slack"], Tag("slack")]
    | Annotated[Literal["graph"], Tag("graph")]
    | Annotated[MetaHandshake, Tag("meta")],
    Discriminator(
        _kind,
        custom_error_type="said",
        custom_error_message="must be slack, graph or {meta: env:NAME}",
    ),
]
"""How a provider asks, before its first event, whether it may send here."""


_OUR_OWN = frozenset(
    {"accept", "accept-encoding", "content-type", "idempotency-key", "traceparent", "user-agent"}
)


def sets_header(name: str) -> bool:
    """Report whether the bridge, or HTTP itself, sets a header of a request to a workflow."""
    small = name.lower()
    return small in _OUR_OWN | OF_HTTP or small.startswith(OUR_PREFIX)


def _header_value(raw: object) -> object:
    text = raw.value if isinstance(raw, FromEnvironment) else demand_name(raw)
    if isinstance(text, SecretStr):
        return text
    if not isinstance(text, str):
        raise ValueError("must be text: put it in quotes")  # noqa: TRY004 - as pydantic wants it
    if not text.strip() or not text.isprintable():
        raise ValueError("must be neither empty nor hold line ends or other control characters")
    return SecretStr(raw.value) if isinstance(raw, FromEnvironment) else raw


HeaderValue = Annotated[
    str | SecretStr,
    BeforeValidator(_header_value),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
"""A printable text; one from the environment is a secret."""

FixedHeaders = dict[HeaderName, HeaderValue]


class ApproveWhen(Entry):
    """Somebody must agree where the arguments are of a kind."""

    when: JsonSchema = Field(description="JSON Schema of the arguments that somebody must see.")


class ByHook(Entry):
    """Who agrees is asked by an event."""

    hook: Slug = Field(description="A hook of this server.")


class Share(Entry):
    """How much of a workflow one principal may have."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    rate: AnyRate | None = Field(None, description="Calls in a time, such as 10/m.")
    concurrency: Count | None = Field(None, description="Calls at once.")

    @model_validator(mode="after")
    def _check_that_it_bounds_something(self) -> Self:
        if self.rate is None and self.concurrency is None:
            raise unsound([Fault("", "must have `rate`, `concurrency` or both")])
        return self


class Per(Entry):
    """How much of a workflow is whose."""

    principal: Share = Field(description="What each principal may have.")


def _one_of(words: tuple[str, ...], key: str) -> Discriminator:
    def tag(raw: object) -> str | None:
        if isinstance(raw, str):
            return "word" if raw in words else None
        is_entry = isinstance(raw, Entry) or (isinstance(raw, dict) and list(raw) == [key])
        return "entry" if is_entry else None

    return Discriminator(
        tag,
        custom_error_type="said",
        custom_error_message=f"must be {', '.join(words)} or {{{key}: …}}",
    )


Approve = Annotated[
    Annotated[Literal["never", "always", "destructive"], Tag("word")]
    | Annotated[ApproveWhen, Tag("entry")],
    _one_of(("never", "always", "destructive"), "when"),
]
"""When somebody must agree to a call."""

By = Annotated[
    Annotated[Literal["console", "elicitation"], Tag("word")] | Annotated[ByHook, Tag("entry")],
    _one_of(("console", "elicitation"), "hook"),
]
"""Who agrees to a call."""
