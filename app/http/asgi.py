"""The app: routes, lifespan, errors. `uvicorn app.http.asgi:from_environment --factory` serves it."""

from __future__ import annotations

from litestar import Litestar
from litestar.di import Provide

from app import log
from app import settings as environment
from app.http import problems, segments
from app.http.access_log import logged
from app.http.cached.handlers import at_hand_first
from app.http.openapi import doc
from app.http.origin import refuse_cross_site
from app.http.routes import (
    changes,
    events,
    exports,
    graph,
    health,
    history,
    networks,
    rankings,
    receiving,
    rejects,
    uploads,
)
from app.http.services import lifespan, provide_services
from app.settings import Settings
from app.store import postgres


def create_app(settings: Settings, *, clock: postgres.Now = postgres.clock) -> Litestar:
    """An app that works on the servers `settings` name; it connects to them when it is started and they answer."""
    app = Litestar(
        [
            uploads.allow_uploads,
            receiving.receive_upload,
            uploads.list_uploads,
            uploads.get_upload,
            uploads.list_batches,
            rejects.list_rejects,
            rejects.download_rejects,
            events.stream_events,
            changes.cancel_upload,
            changes.retract_upload,
            changes.replay_upload,
            changes.replay_batch,
            graph.get_edge,
            history.get_history,
            graph.list_users,
            graph.get_user,
            graph.list_outgoing,
            graph.list_incoming,
            graph.list_reciprocal,
            networks.get_ego,
            networks.get_path,
            *exports.HANDLERS,
            *rankings.HANDLERS,
            health.live,
            health.ready,
            health.list_processes,
            health.cache,
            doc.static_files(),
        ],
        dependencies={"services": Provide(provide_services, sync_to_thread=False)},
        exception_handlers={Exception: problems.answer},
        guards=[refuse_cross_site],
        lifespan=[lifespan(settings, clock)],
        openapi_config=doc.config(),
        # The process that serves the app has set up its logging.
        logging_config=None,
    )
    app.asgi_handler = logged(at_hand_first(segments.whole(app.asgi_handler)))
    return app


def from_environment() -> Litestar:
    """The app for `MENTIONGRAPH_*`, with its logging set up."""
    settings = environment.load()
    log.configure(settings)
    return create_app(settings)
