"""What a server file takes from the environment: `${NAME}` in a text, `env:NAME` for a secret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.errors import Fault
from bridge.formats.pointers import pointer_to
from bridge.formats.secret_names import names_a_secret

ENV_PATTERN = r"^env:[A-Za-z_][A-Za-z0-9_]*$"

SECRET_CHARS = 4
"""Shorter ones stand in any text, and are no secrets for long."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"env:(\S+)")
_UNCLOSED = re.compile(r"(?<!\$)\$\{[A-Za-z_]\w*(?!\w|[^{}]*\})")
_REFERENCE = re.compile(r"(\$?)\$\{([^{}]*)\}")


def is_meant_for_variable(text: str) -> bool:
    """Report whether a text was written to name a variable, well or not."""
    return re.match(r"\s*env\s*:", text, re.IGNORECASE) is not None


def _is_of_a_secret(name: str) -> bool:
    return names_a_secret(name) or names_a_secret(name.rpartition("_")[2])


@dataclass(frozen=True)
class FromEnvironment:
    """A secret, and the variable that it came from."""

    name: str
    value: str = field(repr=False)


def literal(value: Any) -> Any:
    """Return a value for a server file in which no text asks for a variable by `${NAME}`."""
    if isinstance(value, dict):
        return {key: literal(member) for key, member in value.items()}
    if isinstance(value, list):
        return [literal(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


class Variables:
    """Fills in the environment, and remembers in `used` which names were asked for.

    `$${NAME}` stands for a literal `${NAME}`. Line ends around a secret are dropped: files that
    secrets are mounted from end with one.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.used: set[str] = set()
        self._secret: set[str] = set()

    def has(self, name: str) -> bool:
        """Report whether a setting is there; an empty one is not."""
        return bool(self._environ.get(name, "").strip())

    @property
    def secrets(self) -> dict[str, str]:
        """Return what was filled in and nobody may read, each with what a file writes for it."""
        named = {name for name in self.used if name in self._secret or _is_of_a_secret(name)}
        values = {self._environ.get(name, "").strip("\r\n"): f"${{{name}}}" for name in named}
        return {value: written for value, written in values.items() if len(value) >= SECRET_CHARS}

    def fill(self, value: Any) -> tuple[Any, tuple[Fault, ...]]:
        """Return `value` with every text in it filled in; what cannot be stays, and is a fault."""
        faults: list[Fault] = []
        return self._fill(value, (), faults), tuple(faults)

    def _fill(self, value: Any, at: tuple[str | int, ...], faults: list[Fault]) -> Any:
        if isinstance(value, dict):
            return {key: self._fill(member, (*at, key), faults) for key, member in value.items()}
        if isinstance(value, list):
            return [self._fill(item, (*at, index), faults) for index, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        try:
            return self._fill_text(value)
        except LookupError as error:
            faults.append(Fault(pointer_to(at), str(error.args[0])))
            return value

    def _fill_text(self, text: str) -> str | FromEnvironment:
        if secret := _SECRET.fullmatch(text):
            value = self._look_up(secret[1]).strip("\r\n")
            self._secret.add(secret[1])
            return FromEnvironment(secret[1], value)
        if found := _UNCLOSED.search(text):
            raise LookupError(
                f"has {found[0]} without a closing }}: add it, or write $${{ for a text"
            )
        return _REFERENCE.sub(
            lambda found: found[0][1:] if found[1] else self._look_up(found[2]), text
        )

    def _look_up(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise LookupError(f"names no variable by `{name}`: write ${{NAME}}, or env:NAME alone")
        self.used.add(name)
        if value := self._environ.get(name):
            return value
        raise LookupError(f"needs the variable {name}, which is not set or empty: set it")
