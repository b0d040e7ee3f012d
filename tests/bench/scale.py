"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The size of every row; a round measures the bridge and then its peer."""

    rounds: int = 5
    load_s: float = 6.0
    warm_s: float = 1.0
    ingest_clients: int = 64
    sessions: tuple[int, ...] = (1, 50)
    waiting: int = 1000
    wait_s: float = 30.0
    pool_workers: int = 8
    pool_calls: int = 8
    streams: int = 1000
    idle_s: float = 20.0
    idle_streams: int = 10_000
    idle_for_s: float = 40.0
    stalled: int = 10


FULL = Scale()
SHORT = Scale(
    rounds=1,
    load_s=0.3,
    warm_s=0.1,
    ingest_clients=8,
    sessions=(1, 8),
    waiting=20,
    wait_s=0.2,
    pool_workers=2,
    pool_calls=4,
    streams=20,
    idle_s=0.1,
    idle_streams=50,
    idle_for_s=0.3,
    stalled=0,
)
