"""The connections of one process to Redis, whose address says more than where it is."""

import re

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bridge.errors import ConfigurationError
from bridge.store.steps import StepConnection

CONNECT_S = 5.0
ANSWER_S = 5.0


def open_pool(url: str) -> BlockingConnectionPool:
    """Make the connections of a process.

    Raises:
        ConfigurationError: the address has an option that there is not, or a wrong value of one.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=8,
            timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=CONNECT_S,
            retry=Retry(NoBackoff(), 0),
        )
        kind = pool.connection_class
        pool.connection_class = type(kind.__name__, (StepConnection, kind), {})
        pool.make_connection()  # type: ignore[no-untyped-call]
    except (TypeError, ValueError, RedisError) as error:
        named = re.search(r"'\w+'", str(error))
        fault = "BRIDGE_REDIS_URL has an option after its ? that there is not, or a wrong value"
        raise ConfigurationError((fault + (f": {named[0]}" if named else ""),)) from None
    return pool
