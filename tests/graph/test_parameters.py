"""The parameters of a graph are in its database."""

from __future__ import annotations

import pytest

from app.errors import NotMigrated
from app.graph.parameters import read_parameters
from app.store.postgres import Connection


def test_a_database_without_parameters_has_to_be_migrated(conn: Connection) -> None:
    conn.execute("DELETE FROM graph_parameters")

    with pytest.raises(NotMigrated, match="graph_parameters holds no row: run `mentiongraph migrate`"):
        read_parameters(conn)
