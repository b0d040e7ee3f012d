"""Schemas as they are used at run time: compiled once, then a quick yes or every fault."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry

from bridge.errors import InvalidError
from bridge.schemas import faults_in_value

FAULTS_MAX = 50


class SchemaCache:
    """Checks values, keeping the validator of each schema that it has seen; it fetches nothing."""

    def __init__(self) -> None:
        self._validators: dict[int, tuple[object, Draft202012Validator]] = {}

    def allows(self, schema: Mapping[str, Any] | None, value: object) -> bool:
        """Tell whether a value satisfies a schema; without one anything does."""
        return schema is None or self._validator(schema).is_valid(value)

    def check(self, schema: Mapping[str, Any] | None, value: object, summary: str) -> None:
        """Accept a value, or say all that is wrong with it; without a schema anything is right.

        Raises:
            InvalidError: with `summary` and at most FAULTS_MAX faults.
        """
        if schema is not None and not self.allows(schema, value):
            raise InvalidError(summary, faults_in_value(schema, value)[:FAULTS_MAX])

    def _validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        # Keyed by identity; the schema is kept beside it, so that no other can take its place.
        kept = self._validators.get(id(schema))
        if kept is None:
            kept = (schema, Draft202012Validator(schema, registry=Registry()))
            self._validators[id(schema)] = kept
        return kept[1]
