"""The collector: our spans as OpenTelemetry's, sent by OTLP over HTTP. Imported by workers that send spans, alone.

OpenTelemetry's own variables say where the collector is and what else it wants: OTEL_EXPORTER_OTLP_ENDPOINT, …_HEADERS,
…_CERTIFICATE, …_TIMEOUT, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from app.traces.spans import Span, SpanId

SERVICE = "mentiongraph"
_SCOPE = InstrumentationScope(SERVICE)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class OtlpCollector:
    """Sends spans to the collector that OpenTelemetry's variables name."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        self._exporter = exporter or OTLPSpanExporter()

    def __call__(self, spans: Sequence[Span]) -> bool:
        return self._exporter.export([_readable(span) for span in spans]) is SpanExportResult.SUCCESS


def _readable(span: Span) -> ReadableSpan:
    state = TraceState.from_header([span.state]) if span.state else None
    return ReadableSpan(
        span.name,
        context=_context(span.id, state),
        parent=_context(SpanId(span.id.trace_id, span.parent)) if span.parent else None,
        resource=_resource(span.process),
        attributes=span.attributes,
        links=[Link(_context(link)) for link in span.links],
        kind=SpanKind.SERVER if span.entry else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.failed) if span.failed else Status(StatusCode.OK),
        start_time=_nanoseconds(span.began_at),
        end_time=_nanoseconds(span.ended_at),
        instrumentation_scope=_SCOPE,
    )


def _context(of: SpanId, state: TraceState | None = None) -> SpanContext:
    return SpanContext(int(of.trace_id, 16), int(of.span_id, 16), False, _SAMPLED, state)


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1_000


@lru_cache(maxsize=256)
def _resource(process: str) -> Resource:
    """The process that did it. The names of OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come before our own."""
    made = Resource.create()
    own = {"service.instance.id": process.removeprefix(f"{SERVICE} ")} if process else {}
    if str(made.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
        own["service.name"] = SERVICE
    return made.merge(Resource(own))
