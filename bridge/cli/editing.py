"""What is to come in the place of a payload or of arguments: from a file, or as it was edited."""

import json
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

import click

from bridge.errors import TooLargeError
from bridge.formats.json_text import ParsedJson, read_json, spell
from bridge.models import Json

Command = TypeVar("Command", bound=Callable[..., Any])


def edited(what: str) -> Callable[[Command], Command]:
    """Add the options by which `what` is another than before: `file` and `edit`."""
    from_file = click.option(
        f"--{what}", "file", type=click.File("rb"), help="JSON of a file, or - for standard input."
    )
    by_hand = click.option("--edit", is_flag=True, help="Edit it first, in $EDITOR.")
    return lambda command: from_file(by_hand(command))


def written(
    earlier: Json, file: BinaryIO | None, max_bytes: int, *, edit: bool
) -> ParsedJson | None:
    """Read what is to come in the place of what was before; None for the same.

    Raises:
        MalformedError: it is no JSON.
        TooLargeError: nobody could have sent so much.
    """
    if edit and file:
        raise click.UsageError("edit it, or take it from a file")
    if edit:
        text = click.edit(_to_edit(earlier), extension=".json")
        if text is None:
            raise click.Abort
        return read_json(text.encode())
    if file is None:
        return None
    raw = file.read(max_bytes + 1)
    if len(raw) > max_bytes:
        raise TooLargeError(f"it is longer than {max_bytes} bytes (BRIDGE_MAX_BODY_BYTES)")
    return read_json(raw)


def demand_no_edit(file: BinaryIO | None, *, edit: bool) -> None:
    """Refuse what is to come in the place of many.

    Raises:
        UsageError: there is something.
    """
    if edit or file:
        raise click.UsageError("name one record to edit it: those that are chosen run as they were")


def _to_edit(value: Json) -> str:
    """Format a value on many lines, but on one where it has numbers that no double holds."""
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except TypeError:
        return spell(value)
