"""A collector of spans, for tests: it takes OTLP over HTTP and keeps what it got."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span


class Received:
    """What a collector got. `answering` is cleared to let it hang."""

    def __init__(self) -> None:
        self.requests = 0
        self.groups: list[ResourceSpans] = []
        self.answering = threading.Event()
        self.answering.set()
        self.url = ""

    @property
    def spans(self) -> list[Span]:
        return [span for group in list(self.groups) for scope in group.scope_spans for span in scope.spans]

    def of_trace(self, trace_id: str) -> dict[str, Span]:
        """The spans of a trace, by id."""
        return {span.span_id.hex(): span for span in self.spans if span.trace_id.hex() == trace_id}


@contextmanager
def collector() -> Generator[Received]:
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.requests += 1
            if not received.answering.is_set():
                received.answering.wait(60)
                return
            assert self.path == "/v1/traces"
            received.groups += ExportTraceServiceRequest.FromString(body).resource_spans
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, name="collector")
        thread.start()
        try:
            yield received
        finally:
            received.answering.set()
            server.shutdown()
            thread.join()


def attributes(span: Span) -> dict[str, object]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in span.attributes}
