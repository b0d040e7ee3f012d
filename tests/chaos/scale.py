"""How big the chaos is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bridge_processes import ROOT

WEBS = 2
WORKERS = 2


@dataclass(frozen=True)
class Scale:
    """Clients on each wire, other actors, and the pauses between two faults.

    Of several `trees` the processes run the code in turn, each another one whenever it starts.
    """

    clients: int
    takers: int
    senders: int
    fault_gap_s: tuple[float, float]
    work_s: float
    """The longest that a workflow takes in n8n."""

    trees: Sequence[Path] = (ROOT,)


FULL = Scale(clients=6, takers=4, senders=6, fault_gap_s=(0.5, 4.0), work_s=8.0)
NOBODY = Scale(clients=0, takers=0, senders=0, fault_gap_s=(1, 1), work_s=0)
SHORT = Scale(clients=2, takers=2, senders=2, fault_gap_s=(0.3, 1.5), work_s=2.0)
