"""Jobs that any RQ worker can run; each takes one string."""

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from rq.job import Job

marks: list[str] = []


async def succeed(_: str) -> None:
    """Return."""


async def fail(reason: str) -> None:
    """Raise, for this reason."""
    raise RuntimeError(reason)


async def wait(url: str) -> None:
    """Run until something is pushed onto `gate`."""
    async with Redis.from_url(url, socket_timeout=None) as client:
        await client.blpop(["gate"], timeout=20)


def leave_mark(job: Job, _connection: BlockingRedis, *_exc_info: object) -> None:
    """Show that a failure callback was called."""
    marks.append(job.id)
