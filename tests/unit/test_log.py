"""A log line is one JSON object that holds what it was given, and no secret."""

import json
import logging
import sys

import pytest
from pydantic import SecretStr

from bridge.log import JsonLines, configure_logging


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
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    try:
        configure_logging()
        logging.getLogger("httpx2").info("HTTP Request: GET https://n8n/webhook-waiting/secret")
        logging.getLogger("httpx2").warning("careful")
        logging.getLogger("workers.main").info("worker.started")
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = kept
        root.setLevel(level)
    said = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert said == ["careful", "worker.started"]
