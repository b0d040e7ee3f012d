"""`run-again`, as real processes on the store of a bridge that runs elsewhere."""

import json
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.commands import run
from tests.process.test_operating import told
from tests.store.call_records import new_call
from tests.store.records import WEB, desk

FILE = """\
name: support
hooks: {ticket: {auth: {bearer: env:HOOK}, payload: {required: [subject]}}}
workflows: {parse: {url: http://127.0.0.1:9/webhook/parse, input: {type: object, required: [n]}}}
"""


@pytest.fixture
def environ(redis_url: str, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "s.yaml").write_text(FILE)
    return {"BRIDGE_REDIS_URL": redis_url, "BRIDGE_SERVERS": str(tmp_path), "HOOK": "h"}


async def test_a_call_is_run_again_as_it_was_or_from_a_file(
    redis_url: str, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "other.json").write_text('{"n": 12345678901234567890}')
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        earlier = await web.calls.create(new_call())
        status, (same,) = await told("calls", "run-again", earlier.call_id, environ=environ)
        assert (status, same["status"], same["principal"]) == (0, "queued", "alice")
        of = ("calls", "run-again", earlier.call_id, "--arguments", str(tmp_path / "other.json"))
        _, (edited,) = await told(*of, environ=environ)
        _, (row,) = await told("calls", "show", edited["call_id"], "--payload", environ=environ)
        assert row["arguments"] == {"n": 12345678901234567890}
        assert row["timeline"][1]["of"] == earlier.call_id
        _, (row,) = await told("calls", "show", earlier.call_id, environ=environ)
        linked = [each["as"] for each in row["timeline"] if each["what"] == "run_again"]
        assert linked == [same["call_id"], edited["call_id"]]


async def test_an_event_comes_again_as_it_was_edited_in_an_editor(
    redis_url: str, environ: dict[str, str], tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/broken/mended/' \"$1\"\n")
    editor.chmod(0o700)
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        earlier = await web.accept(b'{"subject": "broken"}')
        of = ("events", "run-again", earlier.event_id, "--edit")
        status, (again,) = await told(*of, environ=environ | {"EDITOR": str(editor)})
        assert status == 0
        shown = ("events", "show", again["event_id"], "--payload")
        _, (row,) = await told(*shown, environ=environ)
        assert row["payload"] == {"subject": "mended"}


async def test_what_breaks_todays_schema_is_refused_with_what_is_wrong(
    redis_url: str, environ: dict[str, str], tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps([]))
    async with Redis.from_url(redis_url) as redis, desk(redis, WEB) as web:
        event = await web.accept(b"{}")
        call = await web.calls.create(new_call(arguments=b"{}"))
        status, said = await run("events", "run-again", event.event_id, environ=environ)
        assert (status, "subject" in said) == (1, True)
        status, said = await run("calls", "run-again", call.call_id, environ=environ)
        assert (status, "input schema" in said) == (1, True)
        small = environ | {"BRIDGE_MAX_BODY_BYTES": "100"}
        (tmp_path / "long.json").write_text(json.dumps({"subject": "x" * 100}))
        long = ("events", "run-again", event.event_id, "--payload", str(tmp_path / "long.json"))
        status, said = await run(*long, environ=small)
        assert (status, "longer than 100 bytes (BRIDGE_MAX_BODY_BYTES)" in said) == (1, True)
        of = ("calls", "run-again", call.call_id, "--arguments", str(wrong))
        status, said = await run(*of, environ=environ)
        assert (status, "arguments are a JSON object" in said) == (1, True)
