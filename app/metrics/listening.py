"""Serving metrics on an address of their own, which no proxy publishes.

Several processes of one machine may have one setting, and so it names a range of ports: each process listens on the
first that is free. A port that is shared (SO_REUSEPORT) would answer each scrape by another process.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

import structlog

from app.errors import BadSetting
from app.metrics.tallies import Families

log = structlog.get_logger(__name__)

_LISTEN = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]\s:]+):(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?")
_HIGHEST = 65535
MOST_PORTS = 1_000


class Listen(NamedTuple):
    """Where to listen: on the first port that is free."""

    host: str
    ports: range


def parse(text: str, variable: str) -> Listen | None:
    """Where a setting says to listen. None: nowhere. Raises BadSetting."""
    if not text:
        return None
    found = _LISTEN.fullmatch(text)
    first, last = (int(found["first"]), int(found["last"] or found["first"])) if found else (1, 0)
    if found is None or not first <= last <= _HIGHEST or last - first >= MOST_PORTS:
        raise BadSetting(f"{variable}: {text!r} is no address with a port or ports, such as 127.0.0.1:9464-9471.")
    return Listen(found["host"].strip("[]"), range(first, last + 1))


class _Server(Protocol):
    def shutdown(self) -> None: ...

    def server_close(self) -> None: ...


class Served(NamedTuple):
    """Metrics that are served by a thread."""

    server: _Server
    port: int

    def close(self) -> None:
        """Serve them no more."""
        self.server.shutdown()
        self.server.server_close()


def listen(where: Listen | None, more: Callable[[], Families] = dict) -> Served | None:
    """Serve the metrics of this process, by threads of their own. None: there is nowhere to listen. A process works
    without its metrics, so nothing is raised."""
    if where is None:
        return None
    import prometheus_client  # noqa: PLC0415 (a process that serves nothing does without)

    from app.metrics import exposition  # noqa: PLC0415 (as above)

    try:
        for port in where.ports:
            try:
                server, _ = prometheus_client.start_http_server(
                    port, addr=where.host, registry=exposition.registry(more)
                )
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                log.info("serves metrics", host=where.host, port=server.server_port)
                return Served(server, server.server_port)
        log.warning("serves no metrics: every port is taken", host=where.host, first=where.ports[0])
    except OSError as error:
        log.warning("serves no metrics", host=where.host, error=str(error))
    return None
