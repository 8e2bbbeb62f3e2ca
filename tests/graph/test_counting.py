"""Counting a batch: what is counted is what was staged."""

from __future__ import annotations

from datetime import datetime

import pytest

from app.errors import RowsDiffer
from app.graph import counting
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import transitions
from app.settings import Settings
from app.store.postgres import Connection, scalars
from tests.uploading import posts_csv, upload


def test_another_number_of_rows_than_was_staged_fails_the_attempt(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    """The API and a worker of two releases could read a file differently: nothing is counted then."""
    upload(settings, posts_csv([("@bob", now, "ada")] * 3), received_at=now)
    conn.execute("UPDATE batches SET rows_staged = 4")
    [batch] = scalars(conn, "SELECT id FROM batches")
    claim = transitions.claim(conn, batch, settings=settings, now=now)
    assert claim is not None

    with pytest.raises(RowsDiffer, match="has 3 rows, and 4 when it was staged"):
        counting.count_batch(conn, claim, read_parameters(conn), UserIds(bits=64, memory=10), now=now)

    assert scalars(conn, "SELECT state FROM batches") == ["staged"]
    assert scalars(conn, "SELECT count(*) FROM deltas") == scalars(conn, "SELECT count(*) FROM users") == [0]
