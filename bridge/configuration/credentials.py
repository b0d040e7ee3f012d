"""What proves who is speaking: Claude's tokens, n8n's to a hook, the bridge's to a workflow."""

import re
from collections.abc import Callable, Collection
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from bridge.configuration.fields import (
    Entry,
    FreeHeaderName,
    PrincipalName,
    Seconds,
    Secret,
    Text,
    TimestampName,
    UserName,
    demand_name,
    unsound,
)
from bridge.configuration.rules import KEY_UNKNOWN
from bridge.configuration.variables import ENV_PATTERN, FromEnvironment
from bridge.configuration.wording import suggestion
from bridge.errors import Fault
from bridge.formats.pointers import pointer_to
from bridge.formats.signatures import (
    GITHUB,
    SEPARATORS,
    SHOPIFY,
    SLACK,
    STRIPE,
    TOLERANCE_S,
    HmacScheme,
    key_of,
)

_PARTS = re.compile(r"\{\w*\}")


class BearerAuth(Entry):
    """`Authorization: Bearer …` (RFC 6750)."""

    kind: ClassVar[str] = "bearer"
    challenge: ClassVar[str] = "Bearer"
    covers_headers: ClassVar[bool] = True
    headers: ClassVar[tuple[str, ...]] = ("authorization",)
    token: Secret = Field(alias="bearer", description="The token, as env:NAME.")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what nobody else may know."""
        return (self.token.get_secret_value(),)


class BasicAuth(Entry):
    """`Authorization: Basic …` (RFC 7617)."""

    kind: ClassVar[str] = "basic"
    challenge: ClassVar[str] = 'Basic realm="hook"'
    covers_headers: ClassVar[bool] = True
    headers: ClassVar[tuple[str, ...]] = ("authorization",)
    user: UserName = Field(description="What stands before the password; no colon.")
    password: Secret = Field(description="The password, as env:NAME.")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what nobody else may know."""
        return (self.password.get_secret_value(),)


class HeaderAuth(Entry):
    """A header of any name, as n8n's Header Auth credential, Telegram and GitLab send."""

    kind: ClassVar[str] = "header"
    challenge: ClassVar[str] = "Header"
    covers_headers: ClassVar[bool] = True
    name: FreeHeaderName = Field(description="Such as X-Bridge-Key or X-Gitlab-Token.")
    value: Secret = Field(description="The header's value, as env:NAME.")

    @property
    def headers(self) -> tuple[str, ...]:
        """Return the headers that prove the sender, in small letters."""
        return (self.name.lower(),)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what nobody else may know."""
        return (self.value.get_secret_value(),)


class SignatureAuth(Entry):
    """A signature over the body: it is proved by a secret that is never sent."""

    challenge: ClassVar[str] = "Signature"
    covers_headers: ClassVar[bool] = False
    id_header: ClassVar[str] = ""

    secret: Secret

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what nobody else may know."""
        return (self.secret.get_secret_value(),)


class StandardWebhooksAuth(SignatureAuth):
    """A signature as Standard Webhooks 1.0 makes it."""

    kind: ClassVar[str] = "standard_webhooks"
    headers: ClassVar[tuple[str, ...]] = ("webhook-id", "webhook-timestamp", "webhook-signature")
    id_header: ClassVar[str] = "webhook-id"
    secret: Secret = Field(alias="standard_webhooks", description="The secret, as env:NAME.")

    @field_validator("secret")
    @classmethod
    def _check_key(cls, secret: SecretStr) -> SecretStr:
        key_of(secret.get_secret_value())
        return secret

    @property
    def key(self) -> bytes:
        """Return the key that the secret stands for."""
        return key_of(self.secret.get_secret_value())


class SvixAuth(StandardWebhooksAuth):
    """The same under Svix's own names."""

    kind: ClassVar[str] = "svix"
    headers: ClassVar[tuple[str, ...]] = ("svix-id", "svix-timestamp", "svix-signature")
    id_header: ClassVar[str] = "svix-id"
    secret: Secret = Field(alias="svix", description="The secret, as env:NAME.")


class ProviderAuth(SignatureAuth):
    """A signature as a well-known provider makes it."""

    provider: ClassVar[HmacScheme]

    @property
    def scheme(self) -> HmacScheme:
        """Return how it is made."""
        return self.provider

    @property
    def headers(self) -> tuple[str, ...]:
        """Return the headers that prove the sender, in small letters."""
        return self.provider.headers


class GithubAuth(ProviderAuth):
    """A signature as GitHub makes it: `X-Hub-Signature-256`."""

    kind: ClassVar[str] = "github"
    provider = GITHUB
    secret: Secret = Field(alias="github", description="The secret, as env:NAME.")


class StripeAuth(ProviderAuth):
    """A signature as Stripe makes it: `Stripe-Signature`."""

    kind: ClassVar[str] = "stripe"
    provider = STRIPE
    secret: Secret = Field(alias="stripe", description="The endpoint's secret, as env:NAME.")


class SlackAuth(ProviderAuth):
    """A signature as Slack makes it: `X-Slack-Signature`."""

    kind: ClassVar[str] = "slack"
    provider = SLACK
    secret: Secret = Field(alias="slack", description="The app's signing secret, as env:NAME.")


class ShopifyAuth(ProviderAuth):
    """A signature as Shopify makes it: `X-Shopify-Hmac-SHA256`."""

    kind: ClassVar[str] = "shopify"
    provider = SHOPIFY
    secret: Secret = Field(alias="shopify", description="The app's client secret, as env:NAME.")


class HmacAuth(SignatureAuth):
    """A signature of any other provider: an HMAC over the body, and perhaps a time."""

    kind: ClassVar[str] = "hmac"
    header: FreeHeaderName = Field(description="Where the signature stands.")
    secret: Secret = Field(description="The secret, as env:NAME.")
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = Field(
        "sha256", description="What the HMAC is made with."
    )
    encoding: Literal["hex", "base64"] = Field("hex", description="How the signature is written.")
    prefix: Text = Field("", description="What stands before the signature, such as sha256=")
    timestamp: TimestampName = Field(
        "",
        description="The header that says when it was signed; `t=` if it is a part of `header`.",
    )
    signed: str = Field(
        "", description="What is signed; `{body}`, or `{timestamp}.{body}` with a timestamp."
    )
    tolerance_s: Seconds = Field(
        TOLERANCE_S, alias="tolerance", description="How far the time of signing may be off."
    )

    @property
    def scheme(self) -> HmacScheme:
        """Return how it is made."""
        return HmacScheme(
            self.header,
            self.algorithm,
            self.encoding,
            self.prefix,
            self.timestamp,
            self.signed,
            self.tolerance_s,
        )

    @property
    def headers(self) -> tuple[str, ...]:
        """Return the headers that prove the sender, in small letters."""
        return self.scheme.headers

    @model_validator(mode="after")
    def _check_the_prefix(self) -> Self:
        if SEPARATORS.search(self.prefix):
            said = "must hold no comma, semicolon or blank, at which `header` is cut into parts: "
            raise unsound([Fault("/prefix", said + "write what stands behind the last of them")])
        return self

    @model_validator(mode="after")
    def _check_what_is_signed(self) -> Self:
        if self.signed and self.signed.count("{body}") != 1:
            raise unsound([Fault("/signed", "must hold {body} once")])
        if unknown := set(_PARTS.findall(self.signed)) - {"{body}", "{timestamp}"}:
            said = f"may hold {{timestamp}} and {{body}}, and not {min(unknown)}"
            raise unsound([Fault("/signed", said)])
        if self.signed and bool(self.timestamp) != ("{timestamp}" in self.signed):
            # A time that nothing signs could be any.
            raise unsound(
                [Fault("/signed", "must hold {timestamp} just where `timestamp` is given")]
            )
        return self


class Token(Entry):
    """One token that lets Claude in; those of one name are one principal."""

    name: PrincipalName = Field(
        description="The principal that it stands for: its calls and leases belong to this name.",
    )
    value: Secret = Field(alias="token", description="The token, as env:NAME.")


class _Basic(Entry):
    """How a file writes it."""

    basic: BasicAuth


class _Header(Entry):
    """How a file writes it."""

    header: HeaderAuth


class _Hmac(Entry):
    """How a file writes it."""

    hmac: HmacAuth


def _inside(kind: str) -> Callable[[Any], Any]:
    return lambda raw: raw[kind] if isinstance(raw, dict) and kind in raw else raw


def _kind(raw: object) -> str | None:
    if isinstance(raw, dict):
        return next(iter(raw)) if len(raw) == 1 else None
    return getattr(raw, "kind", None)


def _named_by_its_variable(raw: object) -> object:
    if isinstance(raw, FromEnvironment):
        return {"name": raw.name, "token": raw}
    if not isinstance(demand_name(raw), dict | Token):
        # Pydantic makes a fault of a ValueError only.
        raise ValueError("must be env:NAME or {name: …, token: env:NAME}")  # noqa: TRY004
    return raw


def _listed(raw: object) -> object:
    if raw in ([], ()):
        raise ValueError("needs at least one way to prove who sends")
    if not isinstance(raw, list | tuple):
        return (_demand_known(raw, _TO_HOOKS),)
    return [_demand_known(each, _TO_HOOKS, number) for number, each in enumerate(raw)]


_AnyBearer = Annotated[BearerAuth, Tag("bearer")]
_AnyBasic = Annotated[
    BasicAuth, BeforeValidator(_inside("basic"), json_schema_input_type=_Basic), Tag("basic")
]
_AnyHeader = Annotated[
    HeaderAuth, BeforeValidator(_inside("header"), json_schema_input_type=_Header), Tag("header")
]
_AnyHmac = Annotated[
    HmacAuth, BeforeValidator(_inside("hmac"), json_schema_input_type=_Hmac), Tag("hmac")
]


def _one_of(*kinds: str) -> Discriminator:
    said = f"must have exactly one of the keys {', '.join(kinds)}, as in {{bearer: env:NAME}}"
    return Discriminator(_kind, custom_error_type="said", custom_error_message=said)


def _demand_known(raw: object, kinds: Collection[str], *place: int) -> object:
    """Return what proves somebody, if its one key is a way to do so."""
    given = _kind(raw) if isinstance(raw, dict) else None
    if given is not None and given not in kinds:
        said = f"is no way to prove who sends; {suggestion(given, kinds)}"
        raise unsound([Fault(pointer_to((*place, given)), said)], KEY_UNKNOWN)
    return raw


HookAuth = (
    BearerAuth
    | BasicAuth
    | HeaderAuth
    | StandardWebhooksAuth
    | SvixAuth
    | GithubAuth
    | StripeAuth
    | SlackAuth
    | ShopifyAuth
    | HmacAuth
)
"""How a sender proves itself to a hook."""

WorkflowAuth = BearerAuth | BasicAuth | HeaderAuth
"""How the bridge proves itself to n8n."""

_TO_HOOKS = tuple(each.kind for each in get_args(HookAuth))
_TO_WORKFLOWS = tuple(each.kind for each in get_args(WorkflowAuth))

_AnyHookAuth = Annotated[
    _AnyBearer
    | _AnyBasic
    | _AnyHeader
    | Annotated[StandardWebhooksAuth, Tag("standard_webhooks")]
    | Annotated[SvixAuth, Tag("svix")]
    | Annotated[GithubAuth, Tag("github")]
    | Annotated[StripeAuth, Tag("stripe")]
    | Annotated[SlackAuth, Tag("slack")]
    | Annotated[ShopifyAuth, Tag("shopify")]
    | _AnyHmac,
    _one_of(*_TO_HOOKS),
]

_SomeHookAuths = Annotated[list[_AnyHookAuth], Field(min_length=1)]

HookAuths = Annotated[
    tuple[_AnyHookAuth, ...],
    BeforeValidator(_listed, json_schema_input_type=_AnyHookAuth | _SomeHookAuths),
]
"""One way or a list of ways; any of them will do."""

_SomeWorkflowAuth = Annotated[_AnyBearer | _AnyBasic | _AnyHeader, _one_of(*_TO_WORKFLOWS)]

AnyWorkflowAuth = Annotated[
    _SomeWorkflowAuth,
    BeforeValidator(
        lambda raw: _demand_known(raw, _TO_WORKFLOWS), json_schema_input_type=_SomeWorkflowAuth
    ),
]

_EnvName = Annotated[str, WithJsonSchema({"type": "string", "pattern": ENV_PATTERN})]

TokenEntry = Annotated[
    Token,
    BeforeValidator(_named_by_its_variable, json_schema_input_type=_EnvName | Token),
]
"""A token, which `env:NAME` alone names after its variable."""
