"""What is another's is as good as unknown at the doors too: sessions, streams, tasks, resources."""

from typing import Any

import httpx2
import pytest

from tests.doors.by_hand import ALICE, BOB, Message, Modern, Session, authorization, call, request
from tests.doors.scoped import told
from tests.doors.workshop import TAKES_TASKS

CAROL = "the-token-of-nobody"


def modern(http: httpx2.AsyncClient, web: str, token: str) -> Modern:
    """Return a client that takes tasks."""
    return Modern(http, f"{web}/mcp/desk", token, TAKES_TASKS)


async def asked(client: Modern, method: str, **params: Any) -> Message:
    """Ask something; returns the error or the result, without the names that were asked for."""
    answer = await client.post(request(method, **params))
    text = answer.text
    for name in params.values():
        text = text.replace(name, "IT")
    return {"status": answer.status_code, "text": text}


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_a_task_of_another_is_unknown(
    web: str, http: httpx2.AsyncClient, method: str
) -> None:
    alice, bob = modern(http, web, ALICE), modern(http, web, BOB)
    started = (await alice.post(call("stamp", letter="A"))).json()["result"]["taskId"]
    of_another = await asked(bob, method, taskId=started)
    assert of_another == await asked(bob, method, taskId="call_unknown")
    assert "no such task" in of_another["text"]
    assert (await asked(alice, "tasks/get", taskId=started))["status"] == 200


async def test_a_resource_of_another_server_is_unknown(web: str, http: httpx2.AsyncClient) -> None:
    hook = {"authorization": "Bearer the-token-of-n8n"}
    sent = await http.post(f"{web}/hooks/desk/letters", json={"a": 1}, headers=hook)
    event_id = sent.json()["event_id"]
    bob = modern(http, web, BOB)
    here = await bob.post(request("resources/read", uri=f"event://desk/letters/{event_id}"))
    assert "result" in here.json(), here.text
    errors = []
    for uri in (f"event://other/letters/{event_id}", "event://other/letters/evt_unknown"):
        told_ = (await bob.post(request("resources/read", uri=uri))).json()["error"]
        errors.append((told_["code"], told_["message"]))
    assert errors[0] == errors[1]


async def test_a_session_of_another_is_unknown_however_it_is_used(
    web: str, http: httpx2.AsyncClient, session: Session
) -> None:
    stolen = session.headers | authorization(BOB)
    unknown = stolen | {"mcp-session-id": "unknown"}
    for method, body in (("POST", request("ping")), ("GET", None), ("DELETE", None)):
        of_another, of_nobody = [
            await http.request(method, f"{web}/mcp/desk", json=body, headers=headers)
            for headers in (stolen, unknown)
        ]
        assert of_another.status_code == 404
        assert (of_another.status_code, of_another.text) == (of_nobody.status_code, of_nobody.text)
    assert (await session.post(request("ping"))).status_code == 200


async def test_a_stream_of_another_cannot_be_resumed(
    web: str, http: httpx2.AsyncClient, session: Session
) -> None:
    stolen = session.headers | authorization(BOB) | {"last-event-id": "standing/0-0"}
    assert (await http.get(f"{web}/mcp/desk", headers=stolen)).status_code == 404
    posted = [
        await http.post(
            f"{web}/sse/desk/messages?session_id={session_id}",
            json=request("ping"),
            headers=authorization(BOB),
        )
        for session_id in (session.headers["mcp-session-id"], "unknown")
    ]
    assert {answer.status_code for answer in posted} == {404}
    assert posted[0].text == posted[1].text


async def test_a_callback_is_for_none_but_its_own_call(web: str, http: httpx2.AsyncClient) -> None:
    alice = modern(http, web, ALICE)
    started = (await alice.post(call("stamp", letter="A"))).json()["result"]["taskId"]
    answers = [
        await http.post(f"{web}/callbacks/{call_id}?token=guessed", json={"result": 1})
        for call_id in (started, "call_unknown")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert answers[0].text == answers[1].text


async def test_whoever_has_no_token_learns_nothing_of_what_there_is(
    web: str, http: httpx2.AsyncClient
) -> None:
    started = await told(modern(http, web, ALICE), "stamp", letter="A")
    call_id = started["result"]["taskId"]
    nobody = modern(http, web, CAROL)
    assert await asked(nobody, "tasks/get", taskId=call_id) == await asked(
        nobody, "tasks/get", taskId="call_unknown"
    )
