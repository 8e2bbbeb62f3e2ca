"""The parameters of a database's graph: what every process must agree on."""

from __future__ import annotations

from datetime import timedelta

import msgspec

import sql
from app.store.postgres import Connection, one

_PARAMETERS = sql.query("graph/parameters")


class GraphParameters(msgspec.Struct, frozen=True):
    """What every process must agree on; kept in the database."""

    half_life: timedelta
    shards: int
    handle_bits: int


def read_parameters(conn: Connection) -> GraphParameters:
    """The parameters of this database's graph."""
    found = one(conn, GraphParameters, _PARAMETERS)
    if found is None:
        raise LookupError("graph_parameters holds no row")
    return found
