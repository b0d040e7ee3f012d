"""A hook beyond its limits says when to come back, and still knows what it has accepted."""

import pytest

from bridge.configuration.servers import Server
from tests.apps import running_app

AUTH = {"Authorization": "Bearer token"}


def support(**limits: object) -> Server:
    hooks = {"ticket": {"auth": {"bearer": "token"}, "limits": limits}}
    return Server.model_validate({"name": "support", "hooks": hooks})


@pytest.mark.parametrize(
    ("limits", "status", "retry_after"),
    [({"rate": "2/h"}, 429, range(3500, 3601)), ({"queued": 2}, 503, range(10, 11))],
    ids=["rate", "queued"],
)
async def test_beyond_its_limits_a_hook_says_when_to_come_back(
    redis_url: str, limits: dict[str, object], status: int, retry_after: range
) -> None:
    async with running_app(redis_url, support(**limits)) as door:
        answers = [
            await door.client.post(
                "/hooks/support/ticket", json={}, headers={**AUTH, "Idempotency-Key": f"key-{key}"}
            )
            for key in (1, 2, 3, 1)
        ]

    assert [answer.status_code for answer in answers] == [202, 202, status, 200]
    refused, repeated = answers[2:]
    assert int(refused.headers["retry-after"]) in retry_after
    assert refused.headers["content-type"] == "application/problem+json"
    assert "limits." in refused.json()["detail"]
    assert repeated.json()["duplicate"] is True
