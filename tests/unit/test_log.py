"""A log line is one JSON object, or a line for people, that holds what it was given, no secret."""

import contextlib
import json
import logging
import re
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from bridge.errors import ConfigurationError
from bridge.log import ConsoleLines, HeldLines, JsonLines, SaidLines, configure_logging
from tests.commands import logging_kept


def line_of(record: logging.LogRecord) -> dict[str, object]:
    written = JsonLines().format(record)
    assert "\n" not in written
    fields: dict[str, object] = json.loads(written)
    return fields


def record(name: str = "bridge.web.hooks", **extras: object) -> logging.LogRecord:
    return logging.getLogger(name).makeRecord(
        name, logging.INFO, __file__, 1, "hook.received", (), None, extra=extras
    )


def test_a_line_has_its_time_its_level_its_name_and_its_extras_as_fields() -> None:
    line = line_of(record(event_id="evt_1", duration_ms=3))
    assert str(line.pop("at")).endswith("+00:00")
    assert line == {
        "level": "info",
        "message": "hook.received",
        "event_id": "evt_1",
        "duration_ms": 3,
    }


def test_a_secret_stays_masked() -> None:
    assert "s3cret" not in JsonLines().format(
        record(token=SecretStr("s3cret"), all=[SecretStr("s3cret")])
    )


def test_a_traceback_stays_within_its_line() -> None:
    failed = record()
    try:
        json.loads("{")
    except ValueError:
        failed.exc_info = sys.exc_info()
    assert "JSONDecodeError: Expecting" in str(line_of(failed)["traceback"])


def test_a_line_of_a_library_names_its_logger() -> None:
    assert line_of(record("uvicorn.error"))["logger"] == "uvicorn.error"


def test_libraries_are_heard_only_when_they_warn(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_kept():
        configure_logging()
        logging.getLogger("httpx2").info("HTTP Request: GET https://n8n/webhook-waiting/secret")
        logging.getLogger("httpx2").warning("careful")
        logging.getLogger("workers.main").info("worker.started")
    said = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert said == ["careful", "worker.started"]


@pytest.mark.parametrize(
    ("ends_with", "written"),
    [
        (None, ["redis.away", "process.started"]),
        (KeyError("a fault of ours"), ["redis.away"]),
        (ConfigurationError(("the store does not answer",)), []),
    ],
)
def test_a_start_that_fails_says_so_itself_and_its_lines_are_dropped(
    ends_with: Exception | None, written: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_kept():
        configure_logging()
        with (
            contextlib.suppress(KeyError, ConfigurationError),
            HeldLines(ConfigurationError) as held,
        ):
            logging.getLogger("bridge.store").warning("redis.away")
            assert capsys.readouterr().err == ""
            if ends_with is not None:
                raise ends_with
            held.write_out()
            logging.getLogger("bridge.runtime").info("process.started")
        logging.getLogger("bridge").warning("after")
    lines = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert lines == [*written, "after"]


def test_a_line_for_people_has_the_time_the_level_the_event_and_each_field() -> None:
    line = ConsoleLines().format(
        record(event_id="evt_1", count=3, note="two words", none=None, path=Path("/a b"), all=["x"])
    )
    assert re.fullmatch(r"\d\d:\d\d:\d\d info    hook\.received  (.+)", line)
    assert line.split("  ", 2)[-1].endswith(
        'event_id=evt_1  count=3  note="two words"  none=null  path="/a b"  all=["x"]'
    )


def test_a_line_for_people_names_the_logger_first_where_it_is_not_the_bridge_s() -> None:
    line = ConsoleLines().format(record("audit", who="operator"))
    assert line.partition(" info    ")[2] == "audit: hook.received  who=operator"


def test_a_line_for_people_masks_secrets_and_steers_no_terminal() -> None:
    failed = record(token=SecretStr("s3cret"), said="\x1b[2J\u202e\nno", hue="grün", name_="a=b")
    failed.msg = "hook\x07received"
    try:
        json.loads("\x1b{")
    except ValueError:
        failed.exc_info = sys.exc_info()
    written = ConsoleLines().format(failed)
    assert "s3cret" not in written
    assert all(line.isprintable() for line in written.splitlines())
    first, *traceback = written.splitlines()
    assert r'said="\u001b[2J\u202e\nno"  hue=grün  name_="a=b"' in first
    assert "JSONDecodeError" in traceback[-1]


@pytest.mark.parametrize(
    ("form", "is_terminal", "is_json"),
    [("", True, False), ("", False, True), ("json", True, True), ("console", False, False)],
)
def test_a_terminal_gets_lines_for_people_unless_told_otherwise(
    form: str,
    is_terminal: bool,
    is_json: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    with logging_kept():
        configure_logging(form)
        logging.getLogger("bridge.cli.up").warning("child.ended", extra={"child": "web"})
    said = capsys.readouterr().err
    assert said.startswith("{") == is_json
    assert ("child=web" in said) == (not is_json)
    assert ("\x1b[33m" in said) == (is_terminal and not is_json)


def test_an_error_stands_out_on_a_terminal() -> None:
    levels = {"\x1b[31m": logging.ERROR, "\x1b[33m": logging.WARNING, "\x1b[32m": logging.INFO}
    for color, level in levels.items():
        line = record()
        line.levelno, line.levelname = level, logging.getLevelName(level)
        assert color in ConsoleLines(has_colors=True).format(line)


def test_a_warning_that_is_also_shown_to_people_names_its_values() -> None:
    shown: list[str] = []
    SaidLines(shown.append).emit(record(child="web", status=1))
    assert shown == ["hook.received  child=web  status=1"]
