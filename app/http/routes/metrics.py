"""The metrics over HTTP, for Prometheus."""

from __future__ import annotations

from litestar import Response, Router, get
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example

from app.control.callers import Scope
from app.http import problems
from app.http.openapi import examples
from app.http.services import Injected
from app.metrics import exposition


@get(
    "/",
    summary="The metrics, for Prometheus",
    scope=Scope.METRICS,
    everywhere=True,
    responses={
        200: ResponseSpec(
            str,
            media_type="text/plain",
            generate_examples=False,
            description="Prometheus' text format.",
            examples=[Example(summary="metrics", value=examples.METRICS)],
        ),
        **problems.responses(),
    },
    description="Every metric of the service, as the reference of metrics lists them. What the ledgers say is at most "
    "a second old, and the answer comes within some two seconds, whatever hangs: a graph whose database does not "
    "answer has `mentiongraph_graph_up` 0. MENTIONGRAPH_METRICS_LISTEN serves the same without a key.",
    sync_to_thread=True,
)
def metrics(control: Injected) -> Response[bytes]:
    return Response(
        exposition.text(control.collect_metrics),
        media_type=exposition.CONTENT_TYPE,
        headers={"Cache-Control": "no-store"},
    )


ROUTER = Router("/metrics", tags=["health"], route_handlers=[metrics])
