"""Checks of values against schemas: on the spot where that is cheap, else in a process.

Each schema is compiled once. A check says whether a value fits, what was meant by one that does
not, and what is wrong with it. Models and the programs between them and us send null for what they
leave out, JSON as a text where the schema wants anything but a text, and arguments of their own:
these are read as they were meant. Nothing that a schema allows is ever changed.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.errors import Fault, InvalidError
from bridge.formats.json_text import encode
from bridge.schemas.compile import Compiled, Cost, compile_schema
from bridge.schemas.faults import FAULTS_MAX, faults_found
from bridge.schemas.lenient import mended
from bridge.schemas.pool import CheckOptions, CheckProcesses, CheckResult

ON_THE_SPOT_BYTES = {
    Cost.NAMED: sys.maxsize,
    Cost.PLAIN: 256 * 1024,
    Cost.PER_UNIT: 8 * 1024,
    Cost.UNBOUNDED: 0,
}
"""How long a value's JSON may be to be checked in the event loop, a matter of milliseconds then."""

EXPLAINED_ON_THE_SPOT_BYTES = 1024
"""How long it may be for its faults to be found there, at 20 µs each and for each branch."""

_PLAIN_BYTES = ON_THE_SPOT_BYTES[Cost.PLAIN]
_PLAIN_WISH = CheckOptions()


@dataclass(frozen=True)
class KeptSchema:
    """A schema, as JSON too, in its compiled form."""

    schema: Mapping[str, Any]
    text: bytes
    compiled: Compiled


class SchemaCache:
    """Checks values, keeping each schema that it has seen in its compiled form; it fetches nothing.

    `patience_s` is how long a check that is made in another process may wait for its turn.
    """

    def __init__(self, patience_s: float | None = None) -> None:
        self._kept: dict[int, KeptSchema] = {}
        self._processes = CheckProcesses(patience_s)

    def allows(self, schema: Mapping[str, Any] | None, value: object) -> bool:
        """Report whether a value surely satisfies a schema; without one anything does.

        What is costly to find out counts as a no, but for schemas that only look at each part.
        """
        if schema is None:
            return True
        compiled = self._keep(schema).compiled
        bytes_max = ON_THE_SPOT_BYTES[compiled.cost]
        is_cheap = bytes_max >= _PLAIN_BYTES or len(encode(value)) <= bytes_max
        return is_cheap and next(examine(compiled, value)).is_valid

    async def fits(self, schema: Mapping[str, Any] | None, value: Any) -> bool:
        """Return whether a value satisfies a schema, whatever it costs to find out.

        Raises:
            InvalidError: it could not be checked.
            TransientError: the check had no turn within the patience.
        """
        return schema is None or (await self._examine(schema, value, None, _PLAIN_WISH)).is_valid

    async def check(
        self, schema: Mapping[str, Any] | None, value: Any, summary: str, text: bytes | None = None
    ) -> None:
        """Accept a value, or say all that is wrong with it; without a schema anything is right.

        `text` is the value's JSON, if there is one.

        Raises:
            InvalidError: with `summary` and the first faults, or because it could not be checked.
            TransientError: the check had no turn within the patience.
        """
        if schema is not None:
            _accept(await self._examine(schema, value, text, _PLAIN_WISH), summary)

    async def mended(
        self,
        schema: Mapping[str, Any] | None,
        value: Any,
        summary: str,
        spare: Iterable[str] = (),
    ) -> Any:
        """Accept a value, or what it was meant to be: see `lenient_values`.

        `spare` are members of it that may be left out where the schema refuses them.

        Raises:
            InvalidError: with `summary` and the first faults, or because it could not be checked.
            TransientError: the check had no turn within the patience.
        """
        if schema is None:
            return value
        wish = CheckOptions(lenient=True, spare=tuple(spare))
        return _accept(await self._examine(schema, value, None, wish), summary)

    def compiled(self, schemas: Iterable[Mapping[str, Any]]) -> dict[int, KeptSchema]:
        """Return these schemas in their compiled form, for `replace`; may run beside the loop."""
        known = dict(self._kept)
        return {
            id(schema): known[id(schema)] if id(schema) in known else _compiled(schema)
            for schema in schemas
        }

    def replace(self, kept: dict[int, KeptSchema]) -> None:
        """Keep these, and no other until it is seen again."""
        self._kept = kept

    async def aclose(self) -> None:
        """End the processes that checks were made in."""
        await self._processes.aclose()

    async def _examine(
        self, schema: Mapping[str, Any], value: Any, text: bytes | None, wish: CheckOptions
    ) -> CheckResult:
        kept = self._keep(schema)
        if kept.compiled.cost is Cost.NAMED:
            verdict = next(examine(kept.compiled, value))
            if verdict.is_valid:
                return verdict
        text = encode(value) if text is None else text
        if len(text) <= ON_THE_SPOT_BYTES[kept.compiled.cost]:
            verdicts = examine(kept.compiled, value, wish)
            verdict = next(verdicts)
            if verdict.is_valid:
                return verdict
            if len(text) <= EXPLAINED_ON_THE_SPOT_BYTES:
                return [verdict, *verdicts][-1]
        return await self._processes.examine(kept.text, text, value, wish)

    def _keep(self, schema: Mapping[str, Any]) -> KeptSchema:
        # Keyed by identity; the schema is kept beside it, so that no other can take its place.
        kept = self._kept.get(id(schema))
        if kept is None:
            kept = self._kept[id(schema)] = _compiled(schema)
        return kept


def _compiled(schema: Mapping[str, Any]) -> KeptSchema:
    return KeptSchema(schema, encode(schema), compile_schema(schema))


def _accept(verdict: CheckResult, summary: str) -> Any:
    if not verdict.is_valid:
        raise InvalidError(summary, verdict.faults, has_more=verdict.has_more)
    return verdict.value


UNEXPLAINED = Fault("", "is refused, but what is wrong takes too long to find out")
NO_TEXT = Fault("", "holds half of a surrogate pair, which no text can")
TOO_DEEP = Fault("", "is nested too deeply to be checked")


def examine(
    compiled: Compiled, value: Any, wish: CheckOptions = _PLAIN_WISH
) -> Iterator[CheckResult]:
    """Return what is known of a value, each time more; only the last one is all of it.

    That the value is refused is known long before its faults are.
    """
    validator = compiled.validator
    try:
        if validator.is_valid(value):
            yield CheckResult(True, value)
            return
        yield CheckResult(False, None, (UNEXPLAINED,))
        unread: list[Fault] = []
        if wish.lenient:
            meant = mended(validator, value, wish.spare, unread)
            if meant is not value:
                yield CheckResult(True, meant)
                return
        for found in faults_found(validator, value):
            named = {fault.pointer for fault in unread}
            faults = (*unread, *(fault for fault in found if fault.pointer not in named))
            yield CheckResult(False, None, faults[:FAULTS_MAX], len(faults) > FAULTS_MAX)
    except UnicodeEncodeError:
        yield CheckResult(False, None, (NO_TEXT,))
    except (ValueError, RecursionError):
        yield CheckResult(False, None, (TOO_DEEP,))
