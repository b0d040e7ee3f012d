"""What the bridge stands on, as a set-up names it: its Redis and its n8n."""

from collections.abc import AsyncIterator

from bridge.authoring.diagnosis.setup import Setup
from bridge.diagnosis import n8n, redis_store
from bridge.diagnosis.observations import Observation, passed_over


async def check_redis(setup: Setup) -> AsyncIterator[Observation]:
    """Look at the store; nothing is written."""
    if setup.redis_url is None:
        yield passed_over(
            "redis.none",
            "redis",
            "BRIDGE_REDIS_URL is not set, and no `up` has run here, which brings a Valkey",
            "name the Redis that `web` and `worker` share, or run `n8n-bridge up`",
        )
        return
    async for seen in redis_store.check_redis(setup.redis_url, setup.settings):
        yield seen


def check_n8n(setup: Setup) -> AsyncIterator[Observation]:
    """Ask n8n whether it is there, and whether it is n8n."""
    return n8n.check_n8n(setup.settings)


def check_n8n_key(setup: Setup) -> AsyncIterator[Observation]:
    """Ask n8n's API for what the bridge asks of it, to learn what its key may."""
    return n8n.check_n8n_key(setup.settings, setup.servers.values())
