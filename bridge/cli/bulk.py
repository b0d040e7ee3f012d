"""`n8n-bridge bulk`: acts on many records, whoever began them: how far they are, and their end."""

from collections.abc import Mapping

import click

from bridge.cli.operating import Operation, operate
from bridge.cli.options import LIMIT, as_json
from bridge.cli.output import print_record, print_rows
from bridge.log import OPERATOR

COLUMNS = "bulk_id records act status count done changed refused left by created_at"

Environ = Mapping[str, str]


@click.group()
def bulk() -> None:
    """See acts on many records, and stop them."""


@bulk.command("ls")
@click.option("--limit", type=click.IntRange(1), default=LIMIT, show_default=True, help="At most.")
@as_json
@click.pass_obj
def list_bulks(environ: Environ, limit: int, as_json: bool) -> None:
    """List the bulk acts of the last seven days, newest first."""

    async def work(operation: Operation) -> None:
        rows = [each.describe() for each in await operation.bulks.listed(limit)]
        print_rows(rows, COLUMNS, as_json=as_json)

    operate(environ, work)


@bulk.command("show")
@click.argument("bulk_id")
@as_json
@click.pass_obj
def show_bulk(environ: Environ, bulk_id: str, as_json: bool) -> None:
    """Show what a bulk act is done to, and how far it is."""

    async def work(operation: Operation) -> None:
        found = await operation.bulks.read(bulk_id)
        print_record(found.describe(), as_json=as_json)
        if not as_json:
            click.echo(f"`n8n-bridge {found.kind} ls --bulk {bulk_id}` lists those it was done to")

    operate(environ, work)


@bulk.command("stop")
@click.argument("bulk_id")
@as_json
@click.pass_obj
def stop_bulk(environ: Environ, bulk_id: str, as_json: bool) -> None:
    """End a bulk act before its time; what it has done stays done."""

    async def work(operation: Operation) -> None:
        print_record((await operation.bulks.stop(bulk_id, OPERATOR)).describe(), as_json=as_json)

    operate(environ, work)
