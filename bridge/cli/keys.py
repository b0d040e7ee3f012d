"""`n8n-bridge keys`: what the tokens are signed with that tell workflows who asks."""

from collections.abc import Mapping

import click

from bridge.cli.operating import Operation, operate
from bridge.cli.options import as_json as json_option
from bridge.cli.output import print_record, print_rows
from bridge.log import OPERATOR, audit
from bridge.models import instant
from bridge.verbs.caller_keys import KeyOnRecord

COLUMNS = "key_id status signs_at ends_at"

Environ = Mapping[str, str]


@click.group()
def keys() -> None:
    """List and rotate the keys by which workflows are told who asks."""


@keys.command("ls")
@json_option
@click.pass_obj
def list_keys(environ: Environ, as_json: bool) -> None:
    """List the keys that count, oldest first; with --json their public halves as PEM too."""

    async def work(operation: Operation) -> None:
        found = [key_row(each) for each in await operation.callers.listed()]
        print_rows(found, COLUMNS, as_json=as_json)

    operate(environ, work)


@keys.command("rotate")
@click.option(
    "--leaked", "is_leaked", is_flag=True, help="The earlier keys count no more, at once."
)
@json_option
@click.pass_obj
def rotate_keys(environ: Environ, is_leaked: bool, as_json: bool) -> None:
    """Have a new key sign, ten minutes after it is published; earlier ones count until then on."""

    async def work(operation: Operation) -> None:
        new = await operation.callers.rotate(is_leaked=is_leaked)
        audit(OPERATOR, "keys rotate", new.key.key_id, "done")
        print_record(key_row(new), as_json=as_json)

    operate(environ, work)


def key_row(known: KeyOnRecord) -> dict[str, object]:
    """Return what is shown of a key."""
    return {
        "key_id": known.key.key_id,
        "status": known.status,
        "signs_at": instant(known.signs_at_ms),
        "ends_at": None if known.ends_at_ms is None else instant(known.ends_at_ms),
        "public_key": known.key.public_pem,
    }
