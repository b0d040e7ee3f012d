"""What a server file says of the process that runs its handlers: workflows written in Python."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema

from bridge.configuration.fields import NOT_IN_FILES, Entry, Seconds, demand_name, words_of
from bridge.configuration.variables import FromEnvironment
from bridge.formats.quantities import SIZE_PATTERN, size_bytes

FUNCTION_PATTERN = r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*)?$"
"""How a function is named: `package.module:function`."""

MEMORY_MIN_BYTES = 64 * 1024 * 1024
"""Python and pydantic take half of that."""


def _text(raw: object) -> object:
    text = raw.value if isinstance(raw, FromEnvironment) else demand_name(raw)
    if not isinstance(text, str) or "\0" in text:
        raise ValueError("must be text, as all of an environment is: put it in quotes")
    return SecretStr(text) if isinstance(raw, FromEnvironment) else text


def _enough(memory_bytes: int) -> int:
    if memory_bytes < MEMORY_MIN_BYTES:
        raise ValueError("must be at least 64MiB, of which Python itself takes half")
    return memory_bytes


Size = Annotated[
    int,
    BeforeValidator(size_bytes),
    AfterValidator(_enough),
    WithJsonSchema({"type": "string", "pattern": rf"{SIZE_PATTERN}|\$\{{"}),
]
"""A size in bytes."""

_VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"

VariableName = Annotated[
    str,
    words_of(_VARIABLE_PATTERN, "must be a variable's name, of letters, digits and _"),
    WithJsonSchema({"type": "string", "pattern": _VARIABLE_PATTERN}),
]
FunctionName = Annotated[
    str,
    words_of(FUNCTION_PATTERN, "must be written as package.module:function"),
    WithJsonSchema({"type": "string", "pattern": FUNCTION_PATTERN}),
]
"""A function, or none."""

VariableValue = Annotated[
    str | SecretStr, BeforeValidator(_text), WithJsonSchema({"type": "string"})
]
"""A text; one from the environment is a secret."""


class PythonProcess(Entry):
    """The process that runs the handlers of a server, one for each worker."""

    startup: FunctionName = Field("", description="What is called before any handler, once.")
    shutdown: FunctionName = Field("", description="What is called after all handlers, once.")
    environment: dict[VariableName, VariableValue] = Field(
        {}, description="What handlers see of variables, beside PATH, HOME, LANG, TZ and such."
    )
    memory_bytes: Size = Field(
        1024**3,
        alias="memory",
        description="How much its data may take, such as 512MiB.",
        json_schema_extra={"default": "1GiB"},
    )
    stall_s: Seconds = Field(
        30, alias="stall", description="An event loop that stands still so long is ended."
    )
    folder: Path = Field(Path(), alias=NOT_IN_FILES)
    code: str = Field("", alias=NOT_IN_FILES)

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables with their values."""
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in self.environment.items()
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what nobody else may know."""
        return tuple(
            value.get_secret_value()
            for value in self.environment.values()
            if isinstance(value, SecretStr)
        )
