"""What every mapping of a server file promises: no key passes unread, no fault lacks a place."""

from collections.abc import Iterable
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from bridge.errors import Fault
from bridge.pointers import parts_of
from bridge.variables import FromEnvironment
from bridge.wording import predicate, suggestion

NOT_IN_FILES = "\0"
"""The alias of an attribute that no file can set."""

_SAID = "said"
_NEED_MORE = frozenset({"value_error", "tuple_type"})  # a secret may stand there, but not so


class Entry(BaseModel):
    """A mapping of a server file; its aliases are the file's keys, its names carry the units.

    A `ValidationError` of it says for each fault what the key at `loc` must be.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )

    @classmethod
    def keys(cls) -> dict[str, str]:
        """Give the keys that a file may set here, each with its attribute's name."""
        named = {field.alias or name: name for name, field in cls.model_fields.items()}
        return {key: name for key, name in named.items() if key != NOT_IN_FILES}

    @model_validator(mode="wrap")
    @classmethod
    def _say_how_to_mend(cls, raw: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return build(raw)
        except ValidationError as error:
            said = [
                _line(_said(details, cls.keys()), details["loc"], details["input"])
                for details in error.errors(include_url=False)
            ]
            raise ValidationError.from_exception_data(cls.__name__, said) from None


def unsound(faults: Iterable[Fault]) -> ValidationError:
    """Make of several faults what one validator may raise; each pointer starts at its field."""
    return ValidationError.from_exception_data(
        "unsound", [_line(fault.detail, parts_of(fault.pointer), None) for fault in faults]
    )


def _line(message: str, loc: tuple[str | int, ...], rejected: Any) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError(_SAID, message), loc=loc, input=rejected)


def _said(details: ErrorDetails, known: Iterable[str]) -> str:
    if details["type"] == _SAID:
        return details["msg"]
    if details["type"] == "extra_forbidden" and len(details["loc"]) == 1:
        return f"is an unknown key; {suggestion(str(details['loc'][0]), known)}"
    if details["type"] not in _NEED_MORE and isinstance(details["input"], FromEnvironment):
        return "takes no secret: write ${NAME} for what everybody may read"
    return predicate(details)
