"""Spans: where they go, and that their ids are those that n8n is told."""

import subprocess
import sys

import pytest
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

from bridge.errors import ConfigurationError
from bridge.formats.trace_context import traceparent
from bridge.span_export import ENDPOINTS, begin_tracing
from bridge.tracing import EndedSpan

TRACE = "0af7651916cd43dd8448eb211c80319c-01"
WITHOUT_THE_EXTRA = """
import sys
sys.modules["opentelemetry.sdk.trace"] = None
from bridge.span_export import begin_tracing
begin_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "web")
"""


@pytest.mark.parametrize("trace", [TRACE, ""])
def test_the_span_of_an_attempt_has_the_ids_that_n8n_is_told(trace: str) -> None:
    span = EndedSpan("attempt", trace, "call_1", 0, part="2")._span("2")

    told = f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
    assert told == traceparent(trace, "call_1", 2)


def test_without_an_address_no_span_is_made() -> None:
    begin_tracing({}, "web")
    begin_tracing(dict.fromkeys(ENDPOINTS, ""), "web")

    assert isinstance(get_tracer_provider(), ProxyTracerProvider)
    EndedSpan("call", TRACE, "call_1", 0).record()


def test_an_address_without_the_extra_says_what_to_install() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_EXTRA], capture_output=True, text=True, check=False
    )

    assert run.returncode == 1
    assert ConfigurationError.__name__ in run.stderr
    assert "pip install 'n8n-claude-bridge[otel]'" in run.stderr
