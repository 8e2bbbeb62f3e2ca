"""The metrics of the whole service: of the server of `default`, of its processes, and of Redis."""

from __future__ import annotations

import os
from collections import Counter

import msgspec
import redis

import sql
from app.ledger import fleet
from app.metrics.tallies import Families, Labels, Value
from app.settings import Settings
from app.store.postgres import Connection, exactly_one, rows
from app.store.redis_client import redis_client

_CONNECTIONS = sql.query("reads/metrics/servers/connections")
_SERVER = sql.query("reads/metrics/servers/server")
_STANDBYS = sql.query("reads/metrics/servers/standbys")


class Connections(msgspec.Struct, frozen=True):
    """Connections of one state."""

    state: str
    connections: int


class Server(msgspec.Struct, frozen=True):
    """What PostgreSQL says of itself."""

    max_connections: int
    wal_bytes: float
    checkpoints_timed: int
    checkpoints_requested: int
    archived: int
    archive_failures: int


class Standby(msgspec.Struct, frozen=True):
    """A standby that follows."""

    standby: str
    lag_bytes: float


def read(conn: Connection, settings: Settings) -> Families:
    """Read the metrics of the service from the database of `default`."""
    server = exactly_one(conn, Server, _SERVER)
    checkpoints: dict[Labels, Value] = {
        ("timed",): float(server.checkpoints_timed),
        ("requested",): float(server.checkpoints_requested),
    }
    return {
        "processes": _processes(conn, settings),
        "postgres_connections": {(each.state,): each.connections for each in rows(conn, Connections, _CONNECTIONS)},
        "postgres_max_connections": {(): float(server.max_connections)},
        "postgres_wal_bytes_total": {(): server.wal_bytes},
        "postgres_checkpoints_total": checkpoints,
        "postgres_archived_total": {(): float(server.archived)},
        "postgres_archive_failures_total": {(): float(server.archive_failures)},
        "postgres_replication_lag_bytes": {(each.standby,): each.lag_bytes for each in rows(conn, Standby, _STANDBYS)},
    }


def _processes(conn: Connection, settings: Settings) -> dict[Labels, Value]:
    found = Counter((each.role.value, each.ailment(settings) is None) for each in fleet.seen(conn))
    return {
        (role.value, str(healthy).lower()): float(found[role.value, healthy])
        for role in fleet.Role
        for healthy in (True, False)
    }


def free_bytes(settings: Settings) -> Families:
    """The room on PostgreSQL's disk, if the disk is to be seen from here."""
    if not settings.database_directory:
        return {}
    try:
        found = os.statvfs(settings.database_directory)
    except OSError:
        return {}
    return {"free_bytes": {(): float(found.f_bavail * found.f_frsize)}}


class Bell:
    """Whether Redis answers, asked on a connection of its own."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.redis_url
        self._client: redis.Redis | None = None

    def up(self) -> bool:
        """Whether Redis answers now. To be called by one thread at a time."""
        try:
            if self._client is None:
                self._client = redis_client(self._url)
            return bool(self._client.ping())
        except (redis.RedisError, OSError, ValueError):
            return False

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
