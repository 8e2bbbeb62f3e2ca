"""The parameters of a database's graph: what every process must agree on."""

from __future__ import annotations

import msgspec

import sql
from app.errors import NotMigrated
from app.graph.half_life import HalfLife
from app.store.postgres import AsyncConnection, Connection, async_one, one

_PARAMETERS = sql.query("graph/parameters/get")


class GraphParameters(msgspec.Struct, frozen=True):
    """What every process must agree on; kept in the database."""

    half_life: HalfLife
    """None: weights do not decay."""
    shards: int
    handle_bits: int


def read_parameters(conn: Connection) -> GraphParameters:
    """The parameters of this database's graph. Raises NotMigrated."""
    return _checked(one(conn, GraphParameters, _PARAMETERS))


async def async_read_parameters(conn: AsyncConnection) -> GraphParameters:
    """`read_parameters` for request handlers."""
    return _checked(await async_one(conn, GraphParameters, _PARAMETERS))


def _checked(found: GraphParameters | None) -> GraphParameters:
    if found is None:
        raise NotMigrated("the table graph_parameters holds no row: run `mentiongraph migrate`.")
    return found
