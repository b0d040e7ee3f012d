"""`n8n-bridge backup` and `restore`: all records into a file, and out of one into a Redis."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import click

from bridge.cli.operating import Connected, on_store
from bridge.cli.output import print_rows
from bridge.errors import ConfigurationError
from bridge.formats.backup_file import BackupError
from bridge.log import OPERATOR, audit
from bridge.store.backup import BackupStore
from bridge.store.restoring import RestoredStore
from bridge.verbs.backups import Restore, StoreComparison, back_up, compare, examine

Environ = Mapping[str, str]

T = TypeVar("T")

STREAM = "-"
NAMED = 10


@click.command()
@click.argument("file")
@click.pass_obj
def backup(environ: Environ, file: str) -> None:
    """Write all records into a file, also while the bridge runs.

    Where FILE is -, to stdout. FILE holds payloads, results and addresses that resume executions:
    keep it as you keep Redis.
    """

    async def work(connected: Connected) -> tuple[Counter[str], set[str]]:
        store = BackupStore(connected.steps, connected.client)
        with _writing(file) as sink:
            return await back_up(store, sink), store.unknown

    counts, unknown = _on_store(environ, work)
    audit(OPERATOR, "backup", file, "done")
    click.echo(f"backed up: {_told(counts)}", err=file == STREAM)
    if unknown:
        click.echo(
            f"left out, for this version does not know them: {', '.join(sorted(unknown))}; where "
            "a later version wrote them, make the backup with that",
            err=True,
        )


@click.command()
@click.argument("file")
@click.option("--replace", "replaces", is_flag=True, help="Lose the records that are there.")
@click.option("--check", "only_checks", is_flag=True, help="Only compare FILE with what is there.")
@click.option("--went-on", is_flag=True, help="The bridge has run since: open calls may have, too.")
@click.pass_obj
def restore(
    environ: Environ, file: str, *, replaces: bool, only_checks: bool, went_on: bool
) -> None:
    """Put the records of a backup into the same or another Redis.

    Where FILE is -, it is read from stdin. No process of the bridge may run. All records come or
    none: until all of them lie beside it, what Redis holds is left as it is. Open calls that may
    have run fail, and say so.
    """

    async def work(connected: Connected) -> Restore:
        store = RestoredStore(connected.client, connected.settings.replicas_min)
        restoring = Restore(store, source, heading, ending, went_on)
        await restoring.run(replaces=replaces)
        return restoring

    async def check(connected: Connected) -> StoreComparison:
        return await compare(RestoredStore(connected.client), source)

    with _reading(file) as source:
        try:
            heading, ending = examine(source)
        except BackupError as error:
            raise ConfigurationError((f"{file} cannot be restored: {error}",)) from error
        if only_checks:
            _show(_on_store(environ, check))
            return
        restored = _on_store(environ, work)
    audit(OPERATOR, "restore", file, "done")
    click.echo(f"restored: {_told(restored.store.counts)}")
    _warn(restored)


def _on_store(environ: Environ, work: Callable[[Connected], Awaitable[T]]) -> T:
    """Work on the store until it is done, or a signal ends it: then it leaves nothing behind."""

    async def until_ended(connected: Connected) -> T:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None, "a coroutine is run by a task"
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # nohup has the latter ignored
                with contextlib.suppress(RuntimeError):  # only the main thread hears signals
                    loop.add_signal_handler(number, task.cancel)
        try:
            return await work(connected)
        except asyncio.CancelledError:
            raise click.Abort from None

    return on_store(environ, until_ended, starts_valkey=True)


def _warn(restored: Restore) -> None:
    """Print what people must know before they start a bridge on what was restored."""
    if restored.starting:
        click.echo(
            f"{restored.starting:,} calls that were not sent run once a worker does: if the bridge "
            "has run since the backup, first restore again with --replace --went-on",
            err=True,
        )
    if restored.is_clock_behind:
        click.echo(
            "the clock of Redis is behind the moment of the backup: set it right, or leases and "
            "deadlines last for longer by as much",
            err=True,
        )


def _show(found: StoreComparison) -> None:
    """Print what a backup and the store hold, by family; status 1 where a record is not there."""
    rows = [
        {"records": family, "backup": count, "store": found.store[family]}
        for family, count in sorted(found.backup.items())
    ]
    print_rows(rows, "records backup store", as_json=False)
    if found.lacking:
        click.echo(
            f"{len(found.lacking):,} records are not there, or with another lease, reply or "
            f"result: {', '.join(found.lacking[:NAMED])}",
            err=True,
        )
        sys.exit(1)
    click.echo("every record of the backup that has not expired is there")


def _told(counts: Counter[str]) -> str:
    """Format how many records there are, by what people know of."""
    named = {"event": "events", "call": "calls", "subscription": "subscriptions"}
    others = sum(counts.values()) - sum(counts[family] for family in named)
    told = [f"{name} {counts[family]:,}" for family, name in named.items()]
    return f"{', '.join(told)}, other records {others:,}"


@contextlib.contextmanager
def _writing(file: str) -> Iterator[BinaryIO]:
    """Open what is written: a file that nobody else may read, and that is there once it is whole.

    Raises:
        ConfigurationError: it cannot be written.
    """
    if file == STREAM:
        if sys.stdout.isatty():
            raise click.UsageError("a backup is no text: send it into a file or a program")
        with _named_errors("stdout"):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    with _named_errors(file):
        # A link goes on leading where it leads; what is one still leads in circles.
        path = Path(os.path.realpath(file))
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise ConfigurationError((f"{file} is no file: with - the backup goes to stdout",))
        number, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(number, "wb") as sink:
                yield sink
                sink.flush()
                os.fsync(sink.fileno())
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _reading(file: str) -> Iterator[BinaryIO]:
    """Open what is read; what is no file is kept in one first, for it is read more than once.

    Raises:
        ConfigurationError: it cannot be read.
    """
    with _named_errors(file), contextlib.ExitStack() as stack:
        source: BinaryIO = sys.stdin.buffer
        if file != STREAM:
            source = stack.enter_context(Path(file).open("rb"))
        if not source.seekable():
            with _named_errors(f"{file}, which is kept in {tempfile.gettempdir()} meanwhile"):
                kept = cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile()))
                shutil.copyfileobj(source, kept)
                kept.seek(0)
            source = kept
        yield source


@contextlib.contextmanager
def _named_errors(file: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError((f"{file}: {error.strerror or error}",)) from error
