"""What is to come in the place of a payload or of arguments: from a file, or as it was edited."""

import functools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

import click

from bridge.errors import TooLargeError
from bridge.formats.json_text import ParsedJson, read_json, spell
from bridge.models import Json

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Edit:
    """What is to come in the place of a value: of a file, or what somebody makes of it by hand."""

    file: BinaryIO | None
    by_hand: bool

    async def written(
        self, earlier: Callable[[], Awaitable[Json]], max_bytes: int
    ) -> ParsedJson | None:
        """Read it; None for the same as `earlier`.

        Raises:
            MalformedError: it is no JSON.
            TooLargeError: nobody could have sent so much.
        """
        if self.by_hand and self.file:
            raise click.UsageError("edit it, or take it from a file")
        if self.by_hand:
            text = click.edit(_to_edit(await earlier()), extension=".json")
            if text is None:
                raise click.Abort
            return read_json(text.encode())
        if self.file is None:
            return None
        raw = self.file.read(max_bytes + 1)
        if len(raw) > max_bytes:
            raise TooLargeError(f"it is longer than {max_bytes} bytes (BRIDGE_MAX_BODY_BYTES)")
        return read_json(raw)

    def demand_one(self, record_id: str | None) -> None:
        """Refuse what is to come in the place of many.

        Raises:
            UsageError: no record is named for it.
        """
        if record_id is None and (self.by_hand or self.file):
            raise click.UsageError(
                "name one record to edit it: those that are chosen run as they were"
            )


def edited(what: str) -> Callable[[Command], Callable[..., Any]]:
    """Add the options by which `what` is another than before; the command gets them as `edit`."""

    def add(command: Command) -> Callable[..., Any]:
        @functools.wraps(command)
        def change(*args: Any, file: BinaryIO | None, by_hand: bool, **given: Any) -> Any:
            return command(*args, edit=Edit(file, by_hand), **given)

        by_hand = click.option("--edit", "by_hand", is_flag=True, help="Edit it first, in $EDITOR.")
        told = "JSON of a file, or - for standard input."
        return click.option(f"--{what}", "file", type=click.File("rb"), help=told)(by_hand(change))

    return add


def _to_edit(value: Json) -> str:
    """Format a value on many lines, but on one where it has numbers that no double holds."""
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except TypeError:
        return spell(value)
