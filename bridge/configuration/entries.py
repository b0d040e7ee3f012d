"""A document as the model of its kind reads it, each fault with its place in the text."""

from typing import Any, TypeVar

from pydantic import ValidationError

from bridge.configuration.documents import Document
from bridge.configuration.fields import Entry, rule_of
from bridge.configuration.findings import Finding
from bridge.configuration.rules import VARIABLE_UNSET
from bridge.errors import Fault
from bridge.formats.pointers import parts_of

Read = TypeVar("Read", bound=Entry)


def read_entry(
    model: type[Read], document: Document, filled: Any, unfilled: tuple[Fault, ...]
) -> tuple[Read | None, list[Finding]]:
    """Read a document that was filled in, but for what is `unfilled`, and name what is wrong."""
    findings = [
        document.finding(VARIABLE_UNSET, parts_of(fault.pointer), fault.detail)
        for fault in unfilled
    ]
    try:
        return model.model_validate(filled, by_name=False), findings
    except ValidationError as error:
        # What could not be filled in was named already; what else is wrong with it is no news.
        known = {tuple(map(str, parts_of(fault.pointer))) for fault in unfilled}
        findings += [
            document.finding(rule_of(details), details["loc"], details["msg"])
            for details in error.errors(include_url=False)
            if document.nearest(details["loc"]) not in known
        ]
        return None, findings
