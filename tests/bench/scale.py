"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The size of every row; a round measures the bridge and then its peer."""

    rounds: int = 5
    load_s: float = 6.0
    warm_s: float = 1.0
    rest_s: float = 30.0
    ingest_clients: int = 64
    webs: tuple[int, ...] = (1, 2, 4)
    hook_crowds: tuple[int, ...] = (64, 16)
    call_crowds: tuple[int, ...] = (50, 8)
    sessions: tuple[int, ...] = (1, 50)
    real_sessions: tuple[int, ...] = (1, 8)
    queued: tuple[int, ...] = (0, 100_000)
    handshakes: tuple[int, ...] = (1_000, 100_000)
    on_record: int = 200_000
    takers: tuple[int, int] = (100, 1000)
    crowd: int = 10_000
    crowd_wait_s: float = 60.0
    batches: tuple[int, ...] = (1, 4, 16, 64, 256)
    batches_sent: int = 60
    subscribers: tuple[int, ...] = (1, 8, 64)
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
MILLION = (0, 100_000, 1_000_000)
"""The events of the row on growth, where there is time for it."""

SHORT = Scale(
    rounds=1,
    load_s=0.3,
    warm_s=0.1,
    rest_s=0.0,
    ingest_clients=8,
    webs=(1, 2),
    hook_crowds=(8,),
    call_crowds=(8,),
    sessions=(1, 8),
    real_sessions=(1, 2),
    queued=(0, 300),
    handshakes=(10, 300),
    on_record=300,
    takers=(2, 5),
    crowd=20,
    crowd_wait_s=0.2,
    batches=(1, 8),
    batches_sent=10,
    subscribers=(1, 4),
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
