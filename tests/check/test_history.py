"""`check --history`: what is on record against changed schemas, on a real Valkey."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bridge.models import Body, CallStatus, EventId
from tests.commands import run
from tests.store.call_records import run_sent
from tests.store.records import WEB, Desk, desk, new_event

FILE = """
name: support
hooks:
  ticket:
    description: A ticket came in.
    auth: {bearer: env:HOOK_TOKEN}
    payload: PAYLOAD
    reply: {type: object, properties: {answer: {type: string}}, required: [answer]}
workflows:
  parse:
    description: Parses a document.
    url: http://127.0.0.1:5678/webhook/parse
    annotations: {read_only: true}
    input: {type: object, properties: {n: {type: integer}}, additionalProperties: false}
    output: {type: object, properties: {pages: {type: integer}}, required: [pages]}
"""
TAKEN_BEFORE = "{type: object}"
TAKEN_NOW = "{type: object, properties: {id: {type: integer}}, additionalProperties: false}"
PRIVATE = "private-matter"


@pytest.fixture
def environ(redis_url: str) -> dict[str, str]:
    return {"BRIDGE_REDIS_URL": redis_url, "HOOK_TOKEN": "the-token-of-n8n-0"}


async def checked(
    folder: Path, payload: str, environ: dict[str, str], history: str = "7d"
) -> tuple[int, dict[str, Any], str]:
    """Check the file with this schema of payloads, in JSON and as text."""
    (folder / "support.yaml").write_text(FILE.replace("PAYLOAD", payload))
    words = ("check", str(folder), "--history", history)
    status, said = await run(*words, "--format", "json", environ=environ)
    _, text = await run(*words, environ=environ)
    return status, json.loads(said), text


async def answered(web: Desk, reply: bytes) -> EventId:
    event = await web.accept(b'{"id": 1}')
    held = await web.take()
    assert held
    await web.events.answer(held, reply)
    return event.event_id


async def finished(web: Desk, result: bytes, **changes: Any) -> str:
    running = await run_sent(web, **changes)
    assert await web.runs.finish(running, CallStatus.SUCCEEDED, result=result)
    return running.call.call_id


async def test_what_the_schemas_take_is_compared_and_no_fault(
    redis_url: str, environ: dict[str, str], tmp_path: Path
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        await answered(web, b'{"answer": "yes"}')
        text = Body(b'"{\\"id\\": 2}"', "text/plain")
        await web.events.accept(replace(new_event(), body=text))
        await finished(web, b'{"pages": 3}')
        status, report, said = await checked(tmp_path, TAKEN_NOW, environ)
    assert (status, report["findings"]) == (0, [])
    assert report["compared"] == {"payloads": 2, "replies": 1, "arguments": 1, "results": 1}
    assert "2 payloads, 1 replies, 1 arguments, 1 results" in said
    assert said.endswith("no faults found\n")


async def test_what_would_be_refused_now_is_counted_with_one_example(
    redis_url: str, environ: dict[str, str], tmp_path: Path
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        await answered(web, b'{"anser": "private-matter"}')
        first = await web.accept(b'{"id": 1, "private-matter": "private-matter"}')
        await web.accept(b'{"id": "private-matter"}')
        call = await finished(web, b'{"pages": "private-matter"}')
        wrong = await finished(web, b'{"pages": 1}', arguments=b'{"private-matter": 1}')

        status, report, text = await checked(tmp_path, TAKEN_BEFORE, environ)
        assert status == 1
        assert "hooks.ticket.payload" not in text
        status, report, text = await checked(tmp_path, TAKEN_NOW, environ)
    assert status == 1
    assert {each["rule"] for each in report["findings"]} == {"history-refused"}
    assert len(report["findings"]) == 4, text
    payload, reply, arguments, result = (each["sentence"] for each in report["findings"])
    assert payload.startswith(
        "hooks.ticket.payload would refuse 2 of the 3 payloads on record of the last 7d, "
        f"such as that of {first.event_id}: widen"
    )
    assert "reply would refuse 1 of the 1 replies" in reply
    assert ", at /answer: " in reply
    assert f"arguments on record of the last 7d, such as that of {wrong}: " in arguments
    assert (
        f"1 of the 2 results on record of the last 7d, such as that of {call}, at /pages" in result
    )
    places = [(each["line"], each["column"]) for each in report["findings"]]
    assert places == [(7, 5), (8, 5), (14, 5), (15, 5)]
    assert PRIVATE not in text + json.dumps(report)


async def test_more_than_a_page_is_compared_and_none_that_is_older(
    redis_url: str, environ: dict[str, str], tmp_path: Path
) -> None:
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        for number in range(205):
            await web.accept(b'{"id": %d}' % number)
        before = await redis.dbsize()
        _, report, _ = await checked(tmp_path, TAKEN_NOW, environ)
        assert report["compared"]["payloads"] == 205
        _, report, _ = await checked(tmp_path, TAKEN_NOW, environ, "0.001s")
        assert report["compared"]["payloads"] == 0
        assert await redis.dbsize() == before


async def test_without_a_store_it_is_said_what_to_mend(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: s\n")
    words = ("check", str(tmp_path), "--history", "1h")
    status, said = await run(*words, environ={"BRIDGE_DATA_DIR": str(tmp_path / "none")})
    assert status == 1
    assert "there is no bridge to look at" in said
    status, said = await run(*words, environ={"BRIDGE_REDIS_URL": "redis://127.0.0.1:1/0"})
    assert status == 1
    assert "mend BRIDGE_REDIS_URL" in said


async def test_a_time_that_is_none_is_wrong_use(tmp_path: Path) -> None:
    status, said = await run("check", str(tmp_path), "--history", "soon", environ={})
    assert status == 2
    assert "must be a time" in said
