"""Forms made from schemas: an event is sent and a workflow is run from the console."""

import html
import logging
import re

import pytest
from pydantic import SecretStr

from bridge.configuration.servers import Server
from bridge.console.visits import FORM_BYTES_MAX
from bridge.formats.json_text import decode
from bridge.models import CallId
from tests.apps import running_app
from tests.doors.console.operating import OPERATOR, VIEWER, Desktop, acts, desktop
from tests.doors.console.posting import post

WORKFLOW, HOOK = "/servers/desk/workflows/stamp", "/servers/desk/hooks/letters"
KINDS = Server.model_validate(
    {
        "name": "kinds",
        "hooks": {
            "order": {
                "auth": {"bearer": "hook-token-of-the-tests"},
                "payload": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string", "description": "Whose <b>order</b> it is."},
                        "count": {"type": "integer"},
                        "urgent": {"type": "boolean"},
                        "size": {"enum": ["small", "large"]},
                        "lines": {"type": "array", "items": {"type": "string"}},
                    },
                    "required": ["name"],
                },
            }
        },
    }
)


async def test_a_form_has_a_field_for_each_member_and_says_what_it_is(redis_url: str) -> None:
    async with running_app(redis_url, KINDS, operator_token=SecretStr(OPERATOR)) as door:
        desk = Desktop(door)
        await desk.log_in()
        page = await desk.show("/servers/kinds/hooks/order")
        assert "Whose &lt;b&gt;order&lt;/b&gt; it is." in page
        assert re.findall(r'name="member\.(\w+)"', page) == [
            *("name", "count", "urgent", "size", "lines")
        ]
        filled = {
            "name": "Ann",
            "count": "3",
            "urgent": "true",
            "size": '"large"',
            "lines": '["a"]',
        }
        form = {f"member.{name}": text for name, text in filled.items()}
        answer = await post(desk, "/servers/kinds/hooks/order", form)
        event_id = answer.headers["location"].rpartition("/")[2]
        payload = await door.runtime.web.operators.payload(event_id)
    wanted = {"name": "Ann", "count": 3, "urgent": True, "size": "large", "lines": ["a"]}
    assert decode(payload) == wanted


async def test_what_is_wrong_with_a_form_stands_above_it_and_nothing_is_lost_of_it(
    redis_url: str,
) -> None:
    async with running_app(redis_url, KINDS, operator_token=SecretStr(OPERATOR)) as door:
        desk = Desktop(door)
        await desk.log_in()
        path = "/servers/kinds/hooks/order"
        for form, status, said in (
            ({"member.count": "3"}, 422, "breaks this hook's schema: /name"),
            ({"member.name": "Ann", "member.count": "three"}, 422, "/count"),
            ({"as": "json", "json": "{'name': 1}"}, 400, ""),
        ):
            answer = await post(desk, path, form)
            assert answer.status_code == status
            assert said in html.unescape(answer.text)
            for text in form.values():
                assert text in html.unescape(answer.text)
        assert "No event has come" in await desk.show("/events")


async def test_an_event_without_a_schema_is_sent_as_json(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        answer = await post(desk, HOOK, {"as": "json", "json": '["a", 1]'})
        assert answer.status_code == 303
        event_id = answer.headers["location"].rpartition("/")[2]
        assert decode(await desk.door.runtime.web.operators.payload(event_id)) == ["a", 1]


async def test_a_workflow_is_run_as_the_operator_and_leads_to_its_call(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        page = html.unescape(await desk.show(WORKFLOW))
        assert '"method": "tools/call"' in page
        assert "POST /mcp/desk" in page
        with caplog.at_level(logging.INFO, "audit"):
            answer = await post(desk, WORKFLOW, {"member.letter": "Dear bridge"})
        call_id = answer.headers["location"].rpartition("/")[2]
        call, _ = await desk.door.runtime.web.operators.call(CallId(call_id))
        assert str(call.principal) == "desk/operator"
        assert decode(call.arguments) == {"letter": "Dear bridge"}
        assert acts(caplog) == [("operator", "console workflows run", call_id, "done")]
        refused = await post(desk, WORKFLOW, {"as": "json", "json": "[]"})
        assert refused.status_code == 400


async def test_viewers_see_schemas_and_no_forms(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in(VIEWER)
        assert "stamp" in await desk.show("/servers")
        page = await desk.show(WORKFLOW)
        assert "Arguments, as JSON Schema" in page
        assert "<textarea" not in page
        assert (await post(desk, WORKFLOW, {"member.letter": "x"})).status_code == 403
        await desk.show("/servers/none/hooks/none", 404)
        await desk.show("/servers/desk/hooks/none", 404)


async def test_a_form_that_is_too_long_says_what_takes_more(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        await desk.log_in()
        long = {"as": "json", "json": "x" * FORM_BYTES_MAX}
        answer = await post(desk, "/servers/desk/hooks/letters", long)
        assert answer.status_code == 413
        assert "send what is longer to the hook itself" in answer.text
        assert "BRIDGE_" not in answer.text
