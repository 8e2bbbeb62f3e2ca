"""Serving the app: uvicorn with the bounds of app.http.connections. `ops.processes.api` runs `main`."""

from __future__ import annotations

import logging
import resource
from typing import Any

import uvicorn
from litestar import Litestar

from app import settings as environment
from app.errors import BadSetting
from app.http.asgi import from_environment
from app.http.connections import Door
from app.http.tls import SecureDoor
from app.settings import Settings, networks

OTHER_FILES = 256
"""Open files that are no connection of a client: connections to servers, temporary files, libraries."""
_BACKLOG = 2048


def options(settings: Settings, *, most: int | None = None) -> dict[str, Any]:
    """What uvicorn is told, in production and in tests alike. `most`: connections, if fewer than the setting says.

    Raises BadSetting for a certificate that can't be used.
    """
    secure = settings.tls_certificate or settings.tls_key
    return {
        # TLS is spoken behind the door: a handshake is counted, and ends in bounded time.
        "http": (SecureDoor if secure else Door)(settings, most=most).connection,
        # What asks for a WebSocket is answered as if it did not, whatever else is installed.
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "lifespan": "on",
        "backlog": _BACKLOG,
        # X-Forwarded-For is believed from these addresses alone. uvicorn itself would believe every local process.
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": [str(each) for each in networks(settings.trusted_proxies)],
    }


def serve(app: Litestar, settings: Settings, *, patience: int, listening: int | None = None) -> None:
    """Serve the app until a signal ends the process. Requests under way then have `patience` seconds.

    `listening` is the open file of a socket that listens already.
    """
    if settings.tls_certificate:
        logging.getLogger("uvicorn.error").addFilter(_names_https)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        fd=listening,
        loop="uvloop",
        timeout_graceful_shutdown=patience,
        **options(settings, most=_room_for(settings.max_connections)),
    )


def _names_https(line: logging.LogRecord) -> bool:
    """uvicorn tells its address when it starts. It does not know that the door speaks TLS, and says http://."""
    if isinstance(line.args, tuple) and line.args[:1] == ("http",):
        line.args = ("https", *line.args[1:])
    return True


def _room_for(connections: int) -> int:
    """How many connections the system lets the process hold, at most `connections`. Many systems give a process 1,024
    open files until it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft <= OTHER_FILES:
        raise BadSetting(f"the system lets a process open {soft} files only; raise the limit (ulimit -n).")
    return min(connections, soft - OTHER_FILES)


def main(patience: int, listening: int | None = None) -> None:
    """Serve the app for `MENTIONGRAPH_*`."""
    settings = environment.load()
    serve(from_environment(), settings, patience=patience, listening=listening)
