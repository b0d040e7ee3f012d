"""Why Redis does not take a step, in a sentence for whoever can mend it.

Redis's own words name commands and hosts, never a password; ours name the setting to change.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse
from redis.exceptions import TimeoutError as RedisTimeoutError

ACL_RULE = "~{bridge}:* ~rq:* &{bridge}:* +@all -@dangerous -@admin"
"""What the bridge's user must be allowed to do, as `ACL SETUSER` takes it."""


NEWER_LAYOUT = "NEWERLAYOUT"
"""How the answer to a step begins that takes nothing of a store in a layout of later versions."""

RESTORING = 10**9
"""The layout of a store into which a backup is being restored: no version reads it."""


@dataclass(frozen=True)
class RedisFault:
    """What keeps Redis from taking steps.

    What `lasts` does so until somebody mends it, what is `final` for as long as the process lives.
    Where it `may_be_elsewhere`, a new connection may lead to a Redis that takes them.
    """

    sentence: str
    lasts: bool = False
    final: bool = False
    may_be_elsewhere: bool = False


class PrimaryUnknownError(RedisConnectionError):
    """No Sentinel names a primary that is up, for the reason in `fault`."""

    def __init__(self, fault: RedisFault) -> None:
        super().__init__(fault.sentence)
        self.fault = fault


SILENT = RedisFault("the store does not answer: Redis hangs, or something holds its answers back")

_REFUSALS = {
    "WRONGPASS": RedisFault(
        "the store refuses the bridge: the user or the password in BRIDGE_REDIS_URL is wrong",
        lasts=True,
    ),
    "NOAUTH": RedisFault(
        "the store refuses the bridge: Redis wants a password, and BRIDGE_REDIS_URL has none "
        "(redis://:PASSWORD@HOST)",
        lasts=True,
    ),
    "DENIED": RedisFault(
        "the store refuses the bridge: Redis is in protected mode, so give it a password "
        "(requirepass) and name that in BRIDGE_REDIS_URL",
        lasts=True,
    ),
    "OOM": RedisFault(
        "the store is full: raise the maxmemory of Redis, or free memory there", lasts=True
    ),
    "MISCONF": RedisFault(
        "the store takes no writes: Redis cannot save to its disk, and its log says why",
        lasts=True,
    ),
    "READONLY": RedisFault(
        "the store takes no writes: this Redis is a replica, so BRIDGE_REDIS_URL must lead to "
        "the primary",
        may_be_elsewhere=True,
    ),
    "MASTERDOWN": RedisFault(
        "the store does not answer: this Redis is a replica that has lost its primary, which "
        "BRIDGE_REDIS_URL must lead to",
        may_be_elsewhere=True,
    ),
    "NOREPLICAS": RedisFault(
        "the store takes no writes: fewer replicas follow Redis than its min-replicas-to-write, "
        "for they are away, behind or in maintenance, or this Redis is the primary no more",
        may_be_elsewhere=True,
    ),
    "LOADING": RedisFault("the store does not answer yet: Redis is loading its data"),
    "BUSY": RedisFault("the store does not answer: a script of another program keeps Redis busy"),
    "UNKILLABLE": RedisFault(
        "the store does not answer: a script of another program keeps Redis busy"
    ),
    "CLUSTERDOWN": RedisFault("the store does not answer: its Redis Cluster is down"),
    "MOVED": RedisFault(
        "the store refuses the bridge: BRIDGE_REDIS_URL leads to a Redis Cluster, and the bridge "
        "needs a single primary",
        lasts=True,
    ),
}
_HALF_RESTORED = RedisFault(
    "the store is half restored: a restore has begun and not ended, so run `n8n-bridge restore` "
    "again",
    lasts=True,
    final=True,
)
_LATER_LAYOUT = RedisFault(
    "the store is written in a later layout than this version of the bridge reads: run the "
    "version that wrote it, or one after that",
    lasts=True,
    final=True,
)
_NO_STORE = RedisFault(
    "the store does not answer: what listens at the address in BRIDGE_REDIS_URL is no Redis server "
    "(Sentinels are named as redis+sentinel://HOST:PORT,HOST:PORT/NAME)",
    lasts=True,
)
_SAID_BY_SENTINELS = re.compile(r"unknown command '(EVAL|TIME)")
_FORBIDDEN = re.compile(r"NOPERM|ACL failure in script|The user executing the script can't")


def fault_of(error: BaseException) -> RedisFault | None:
    """Name what keeps Redis from taking a step, or None where it is the step that is wrong."""
    code = getattr(error, "status_code", None) or str(error).partition(" ")[0]
    if code == NEWER_LAYOUT:
        return _HALF_RESTORED if f" {RESTORING}" in str(error) else _LATER_LAYOUT
    if code in _REFUSALS:
        return _REFUSALS[code]
    if code == "NOPERM" or _FORBIDDEN.search(str(error)):
        said = str(error).partition(" script: ")[0].removeprefix("ACL failure in script: ")
        return RedisFault(
            f"the store refuses the bridge: Redis says {said!r}, so give the user in "
            f"BRIDGE_REDIS_URL these rights: {ACL_RULE}",
            lasts=True,
        )
    if isinstance(error, InvalidResponse) or _SAID_BY_SENTINELS.match(str(error)):
        return _NO_STORE
    if isinstance(error, RedisConnectionError | RedisTimeoutError | OSError):
        return _unreachable(error)
    return None


def sentence_of(error: BaseException) -> str:
    """Report why Redis took nothing, whatever it was."""
    fault = fault_of(error)
    return fault.sentence if fault else str(error)


def _unreachable(error: BaseException) -> RedisFault:
    for cause in _causes(error):
        if isinstance(cause, PrimaryUnknownError):
            return cause.fault
        if isinstance(cause, ssl.SSLError):
            return RedisFault(
                f"the store refuses the bridge: TLS fails ({cause.reason or cause}); "
                "?ssl_ca_certs=FILE in BRIDGE_REDIS_URL names the CA of its certificate, and "
                "redis:// speaks without TLS",
                lasts=True,
            )
        if isinstance(cause, socket.gaierror):
            return _silent("nothing knows the host that BRIDGE_REDIS_URL names")
        if isinstance(cause, ConnectionRefusedError | FileNotFoundError):
            return _silent("nothing listens at the address that BRIDGE_REDIS_URL leads to")
    if isinstance(error, RedisTimeoutError | TimeoutError):
        return SILENT
    said = str(error)
    if "max number of clients" in said:
        said = "Redis has as many clients as its maxclients"
    elif "closed by server" in said:
        said = "Redis closes the connection; it is ending, or wants TLS (rediss://)"
    return _silent(said)


def _silent(why: str) -> RedisFault:
    return RedisFault(f"the store does not answer: {why}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
