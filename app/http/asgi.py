"""The app: its routers, what wraps them, its lifespan. app.http.server serves it."""

from __future__ import annotations

from litestar import Litestar
from litestar.di import Provide

from app import log
from app import settings as environment
from app.http import graphs, problems, segments
from app.http.access_log import logged
from app.http.cached.handlers import cached_first
from app.http.calling import provide_caller
from app.http.head import answering_head
from app.http.identified import identified
from app.http.measured import measured, routed
from app.http.openapi import doc, guide
from app.http.origin import own_pages_only
from app.http.quotas import limited
from app.http.routes import (
    audit_events,
    changes,
    comparisons,
    edges,
    events,
    exports,
    forgetting,
    health,
    keys,
    metrics,
    networks,
    previews,
    rankings,
    receiving,
    rejects,
    uploads,
    users,
)
from app.http.routes import graphs as graph_list
from app.http.scopes import declared, require_scope
from app.http.services import lifespan, provide_control, provide_services
from app.http.signatures import refuse_unknown_parameters
from app.settings import Settings
from app.store import postgres


def create_app(settings: Settings, *, clock: postgres.Now = postgres.clock) -> Litestar:
    """An app for the servers that `settings` name. The app connects to them once it is started and they answer."""
    app = Litestar(
        [
            receiving.ROUTER,
            previews.ROUTER,
            uploads.ROUTER,
            rejects.ROUTER,
            events.ROUTER,
            changes.ROUTER,
            users.ROUTER,
            forgetting.ROUTER,
            edges.ROUTER,
            networks.ROUTER,
            rankings.ROUTER,
            exports.ROUTER,
            audit_events.ROUTER,
            comparisons.ROUTER,
            graph_list.ROUTER,
            health.ROUTER,
            keys.ROUTER,
            metrics.ROUTER,
            doc.root,
            doc.static_files(),
            guide.router(),
        ],
        dependencies={
            "services": Provide(provide_services, sync_to_thread=False),
            "control": Provide(provide_control, sync_to_thread=False),
            "caller": Provide(provide_caller, sync_to_thread=False),
        },
        exception_handlers={Exception: problems.answer},
        guards=[require_scope, refuse_unknown_parameters],
        lifespan=[lifespan(settings, clock), graphs.lifespan],
        openapi_config=doc.config(),
        # The process that serves the app has set up its logging.
        logging_config=None,
    )
    answering = graphs.in_graph(answering_head(cached_first(segments.whole(routed(app.asgi_handler)))))
    known = identified(limited(answering, settings), settings)
    app.asgi_handler = measured(logged(own_pages_only(graphs.prefixed(known), settings)))
    return declared(app)


def from_environment() -> Litestar:
    """The app for `MENTIONGRAPH_*`, with its logging set up."""
    settings = environment.load()
    log.configure(settings)
    return create_app(settings)
