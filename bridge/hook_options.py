"""What a hook may be told of its sender: what to keep, what repeats itself, how it is greeted."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from bridge.entries import Entry, unsound
from bridge.errors import Fault
from bridge.fields import HeaderName, Pointer, Secret
from bridge.secret_names import names_a_secret

REPLY_ADDRESS = "bridge-reply-url"


class Keep(Entry):
    """What of a request is shown beside its payload."""

    headers: tuple[HeaderName, ...] = Field((), description="Headers, such as X-GitHub-Event.")
    query: bool = Field(False, description="The query of the address that it was sent to.")

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
