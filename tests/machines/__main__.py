"""`make machines`: cuts off hosts of a bridge, and accounts for all that it has accepted."""

import asyncio
import os
import secrets
import sys
import tempfile
from pathlib import Path
from random import Random

import click

from tests.chaos.ledger import Ledger
from tests.chaos.report import PAGE, ledger_lines, write
from tests.chaos.scale import SHORT, Scale
from tests.machines.faults import FAIL_OVER, LONG_S, SHORT_S, in_turn, of_kinds, strike
from tests.machines.hosts import NoHostsError
from tests.machines.stage import machines

ROUNDS = 20
NAME = "machines ledger"
SLOWEST = 5
FULL = Scale(clients=3, takers=4, senders=4, fault_gap_s=(0, 0), work_s=8.0)
FEW = {"cut off worker": 8.0, "cut off web": 3.0, FAIL_OVER: 1.0}
"""Kinds of faults and how long each lasts, in s."""


@click.command()
@click.option("--short", "is_short", is_flag=True, help="Three faults in all.")
@click.option("--write", "is_written", is_flag=True, help="Put the ledger into the docs.")
def main(*, is_short: bool, is_written: bool) -> None:
    """Go MACHINES_ROUNDS rounds with the seed MACHINES_SEED; status 1 if a promise was broken.

    What the processes log is kept in MACHINES_FOLDER, if one is named. The status is 69, with one
    line that says why, where the system lets nobody make hosts.
    """
    seed = os.environ.get("MACHINES_SEED") or secrets.token_hex(4)
    rounds = int(os.environ.get("MACHINES_ROUNDS") or ROUNDS)
    command = f"MACHINES_SEED={seed} make machines ARGS=--short"
    if not is_short:
        command = f"MACHINES_SEED={seed} MACHINES_ROUNDS={rounds} make machines"
    click.echo(command)
    with tempfile.TemporaryDirectory(prefix="bridge-machines-") as temporary:
        folder = Path(os.environ.get("MACHINES_FOLDER") or temporary)
        folder.mkdir(exist_ok=True)
        try:
            ledger = asyncio.run(_few(folder, seed) if is_short else _run(folder, seed, rounds))
        except NoHostsError as error:
            click.echo(f"this system makes no hosts of network namespaces: {error}", err=True)
            sys.exit(os.EX_UNAVAILABLE)
    lines = list(ledger_lines(ledger, command))
    click.echo("\n".join(lines))
    for fault, names in (("lost", ledger.lost), ("twice", ledger.twice), ("wrong", ledger.wrong)):
        for name in names:
            click.echo("\n  ".join([f"{fault}: {name}", *ledger.story(name)]), err=True)
    for call in sorted(ledger.calls, key=lambda call: -call.took_s)[:SLOWEST]:
        click.echo("\n  ".join([f"slow: {call}", *ledger.story(call.label)]), err=True)
    if is_written:
        write(lines, NAME)
        click.echo(f"written: {PAGE.name}")
    sys.exit(0 if ledger.is_good else 1)


async def _run(folder: Path, seed: str, rounds: int) -> Ledger:
    random = Random(seed)
    async with machines(folder, seed, FULL) as all_hosts:
        await all_hosts.storm.go_through(
            strike(
                all_hosts,
                in_turn(all_hosts, rounds, random),
                lambda: random.uniform(*random.choice((SHORT_S, LONG_S))),
            )
        )
        return await all_hosts.storm.ledger()


async def _few(folder: Path, seed: str) -> Ledger:
    async with machines(folder, seed, SHORT) as all_hosts:
        chosen, spans_s = of_kinds(all_hosts, FEW, Random(seed)), iter(FEW.values())
        await all_hosts.storm.go_through(strike(all_hosts, chosen, lambda: next(spans_s)))
        return await all_hosts.storm.ledger()


if __name__ == "__main__":
    main()
