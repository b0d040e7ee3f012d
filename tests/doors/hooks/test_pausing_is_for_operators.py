"""/pauses: for operators, and for nobody else."""

import pytest

from tests.apps import running_app
from tests.doors.hooks.test_redriving import ELSEWHERE, GUARDED, HOOK, OPERATOR, TOKEN


@pytest.mark.parametrize("headers", [{}, HOOK])
async def test_nobody_but_an_operator_pauses_resumes_or_lists(
    redis_url: str, headers: dict[str, str]
) -> None:
    async with running_app(redis_url, GUARDED, **TOKEN) as door:
        for method in ("POST", "DELETE"):
            answer = await door.client.request(method, "/pauses/support", headers=headers)
            assert answer.status_code == 401
        assert (await door.client.get("/pauses", headers=headers)).status_code == 401
        assert (await door.client.get("/pauses", headers=OPERATOR)).json() == {"pauses": []}


async def test_without_a_token_only_the_bridge_s_own_machine_may(redis_url: str) -> None:
    async with running_app(redis_url, GUARDED, base_url=ELSEWHERE, public_url=ELSEWHERE) as door:
        assert (await door.client.post("/pauses/support")).status_code == 404
