"""What proves who is speaking: Claude's tokens, n8n's to a hook, the bridge's to a workflow."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    SecretStr,
    SerializerFunctionWrapHandler,
    Tag,
    WithJsonSchema,
    field_validator,
    model_serializer,
)

from bridge.entries import Entry
from bridge.fields import Secret, Text
from bridge.signatures import key_of
from bridge.variables import ENV_PATTERN, FromEnvironment


class BearerAuth(Entry):
    """`Authorization: Bearer …` (RFC 6750)."""

    kind: ClassVar[str] = "bearer"
    challenge: ClassVar[str] = "Bearer"
    covers_headers: ClassVar[bool] = True
    token: Secret = Field(alias="bearer", description="The token, as env:NAME.")


class BasicAuth(Entry):
    """`Authorization: Basic …` (RFC 7617)."""

    kind: ClassVar[str] = "basic"
    challenge: ClassVar[str] = 'Basic realm="hook"'
    covers_headers: ClassVar[bool] = True
    user: Text
    password: Secret = Field(description="The password, as env:NAME.")

    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {self.kind: dump(self)}


class HeaderAuth(Entry):
    """A header of any name, as n8n's Header Auth credential."""

    kind: ClassVar[str] = "header"
    # RFC 9110, 5.6.2: what a field name is made of.
    name: str = Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
    value: Secret = Field(description="The header's value, as env:NAME.")

    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {self.kind: dump(self)}


class StandardWebhooksAuth(Entry):
    """A signature as Standard Webhooks 1.0 makes it."""

    kind: ClassVar[str] = "standard_webhooks"
    challenge: ClassVar[str] = "Signature"
    covers_headers: ClassVar[bool] = False
    secret: Secret = Field(alias="standard_webhooks", description="The secret, as env:NAME.")

    @field_validator("secret")
    @classmethod
    def _check_key(cls, secret: SecretStr) -> SecretStr:
        key_of(secret.get_secret_value())
        return secret

    @property
    def key(self) -> bytes:
        """Give the key that the secret stands for."""
        return key_of(self.secret.get_secret_value())


class GithubAuth(Entry):
    """A signature as GitHub makes it: `X-Hub-Signature-256`."""

    kind: ClassVar[str] = "github"
    challenge: ClassVar[str] = "Signature"
    covers_headers: ClassVar[bool] = False
    secret: Secret = Field(alias="github", description="The secret, as env:NAME.")


class Token(Entry):
    """One token that lets Claude in; those of one name are one principal."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}$")
    value: Secret = Field(alias="token", description="The token, as env:NAME.")


class _Basic(Entry):
    """How a file writes it."""

    basic: BasicAuth


class _Header(Entry):
    """How a file writes it."""

    header: HeaderAuth


def _inside(kind: str) -> Callable[[Any], Any]:
    return lambda raw: raw[kind] if isinstance(raw, dict) and kind in raw else raw


def _kind(raw: object) -> str | None:
    if isinstance(raw, dict):
        return next(iter(raw)) if len(raw) == 1 else None
    return getattr(raw, "kind", None)


def _named_by_its_variable(raw: object) -> object:
    if isinstance(raw, FromEnvironment):
        return {"name": raw.name, "token": raw}
    if isinstance(raw, str):
        # Pydantic makes a fault of a ValueError only.
        raise ValueError("must be env:NAME or {name: …, token: env:NAME}")  # noqa: TRY004
    return raw


def _listed(raw: object) -> object:
    if raw in ([], ()):
        raise ValueError("needs at least one way to prove who sends")
    return raw if isinstance(raw, list | tuple) else (raw,)


_AnyBearer = Annotated[BearerAuth, Tag("bearer")]
_AnyBasic = Annotated[
    BasicAuth, BeforeValidator(_inside("basic"), json_schema_input_type=_Basic), Tag("basic")
]
_AnyHeader = Annotated[
    HeaderAuth, BeforeValidator(_inside("header"), json_schema_input_type=_Header), Tag("header")
]
_AnyStandardWebhooks = Annotated[StandardWebhooksAuth, Tag("standard_webhooks")]
_AnyGithub = Annotated[GithubAuth, Tag("github")]


def _one_of(*kinds: str) -> Discriminator:
    return Discriminator(
        _kind,
        custom_error_type="said",
        custom_error_message=f"must have exactly one of the keys {', '.join(kinds)}",
    )


HookAuth = BearerAuth | BasicAuth | StandardWebhooksAuth | GithubAuth
"""How a sender proves itself to a hook."""

WorkflowAuth = BearerAuth | BasicAuth | HeaderAuth
"""How the bridge proves itself to n8n."""

_AnyHookAuth = Annotated[
    _AnyBearer | _AnyBasic | _AnyStandardWebhooks | _AnyGithub,
    _one_of("bearer", "basic", "standard_webhooks", "github"),
]

_SomeHookAuths = Annotated[list[_AnyHookAuth], Field(min_length=1)]

HookAuths = Annotated[
    tuple[_AnyHookAuth, ...],
    BeforeValidator(_listed, json_schema_input_type=_AnyHookAuth | _SomeHookAuths),
]
"""One way or a list of ways; any of them will do."""

AnyWorkflowAuth = Annotated[
    _AnyBearer | _AnyBasic | _AnyHeader, _one_of("bearer", "basic", "header")
]

_EnvName = Annotated[str, WithJsonSchema({"type": "string", "pattern": ENV_PATTERN})]

TokenEntry = Annotated[
    Token,
    BeforeValidator(_named_by_its_variable, json_schema_input_type=_EnvName | Token),
]
"""A token, which `env:NAME` alone names after its variable."""
