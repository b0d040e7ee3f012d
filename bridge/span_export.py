"""Where spans go: by OTLP over HTTP, as OTEL_* says. What sends them is the extra `otel`."""

from collections.abc import Mapping

from opentelemetry.trace import set_tracer_provider
from typing_extensions import override

from bridge import __version__
from bridge.errors import ConfigurationError
from bridge.tracing import CHOSEN

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
HOW_TO_MEND = (
    "{} is set, and what sends spans is not installed: pip install 'n8n-claude-bridge[otel]', or "
    "unset it"
)


def begin_tracing(environ: Mapping[str, str], kind: str) -> None:
    """Send the spans of this process where the environment says, from now on; else do nothing.

    What waits to be sent is sent when the process ends.

    Raises:
        ConfigurationError: it says where, and the extra `otel` is not installed.
    """
    wanted = next((name for name in ENDPOINTS if environ.get(name)), None)
    if wanted is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    except ImportError as error:
        raise ConfigurationError((HOW_TO_MEND.format(wanted),)) from error

    class ChosenIds(RandomIdGenerator):
        """Gives a span the ids that were chosen for it, and others random ones."""

        @override
        def generate_span_id(self) -> int:
            chosen = CHOSEN.get()
            return chosen.span_id if chosen else super().generate_span_id()

        @override
        def generate_trace_id(self) -> int:
            chosen = CHOSEN.get()
            return chosen.trace_id if chosen else super().generate_trace_id()

    says = {"service.name": f"n8n-bridge-{kind}", "service.version": __version__}
    provider = TracerProvider(resource=Resource.create(says), id_generator=ChosenIds())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    set_tracer_provider(provider)
