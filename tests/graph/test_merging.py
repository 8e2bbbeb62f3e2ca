"""Merging a shard: what is merged, and what is applied by it."""

from __future__ import annotations

from datetime import datetime

import pytest

import sql
from app.graph import counting, merging
from app.graph.parameters import GraphParameters, read_parameters
from app.graph.users import UserIds
from app.ledger import transitions
from app.ledger.states import UploadState
from app.settings import Settings
from app.store.postgres import Connection, scalars
from tests.entering import insert_batch, insert_delta, insert_upload
from tests.graphs import edges
from tests.uploading import posts_csv, upload

AUTHORS = ["ada", "bob", "cy", "dee", "eve", "fay", "gus", "hal"]
"""Authors enough for deltas in more than one shard."""


@pytest.fixture
def parameters(conn: Connection) -> GraphParameters:
    return read_parameters(conn)


def count_all(conn: Connection, settings: Settings, parameters: GraphParameters, now: datetime) -> None:
    """Count each batch that is due, and merge nothing."""
    user_ids = UserIds(bits=parameters.handle_bits, memory=10)
    for batch in scalars(conn, "SELECT id FROM batches WHERE state = 'staged'"):
        claim = transitions.claim(conn, batch, settings=settings, now=now)
        assert claim is not None
        assert counting.count_batch(conn, claim, parameters, user_ids, now=now)


def pending(conn: Connection) -> list[int]:
    return scalars(conn, "SELECT DISTINCT shard FROM deltas WHERE merged_at IS NULL ORDER BY shard")


def states(conn: Connection) -> tuple[list[str], list[str]]:
    """The states of the uploads and of the batches, in the order in which they came."""
    return (
        scalars(conn, "SELECT state FROM uploads ORDER BY received_at"),
        scalars(conn, "SELECT state FROM batches ORDER BY id"),
    )


def test_a_batch_is_applied_once_its_last_delta_is_merged(
    conn: Connection, settings: Settings, parameters: GraphParameters, now: datetime
) -> None:
    upload(settings, posts_csv([("@zoe", now, author) for author in AUTHORS]), received_at=now)
    count_all(conn, settings, parameters, now)
    *first, last = pending(conn)
    assert first

    for shard in first:
        assert merging.merge_shard(conn, shard, parameters, most_edges=1000, now=now) == 1
        assert states(conn) == (["applying"], ["counted"])
    assert merging.merge_shard(conn, last, parameters, most_edges=1000, now=now) == 1

    assert states(conn) == (["applied"], ["applied"])
    assert len(edges(conn, now)) == len(AUTHORS)


def test_a_merge_says_so_of_what_it_took_and_a_delta_is_set_aside_alone(conn: Connection, now: datetime) -> None:
    batches = [insert_batch(conn, insert_upload(conn, UploadState.APPLYING, now), "counted", now) for _ in range(2)]
    for batch in batches:
        for shard, part in ((0, 0), (0, 1), (1, 0)):
            insert_delta(conn, batch, shard=shard, part=part)

    given = {"shard": 0, "batch_ids": [batches[0]], "parts": [0], "now": now}
    given |= dict.fromkeys(("new", "updated", "unarchived", "removed"), 0)
    assert conn.execute(sql.query("graph/merging/set_merged"), given).rowcount == 1
    for part in (0, 1):  # the first is merged, and cannot be set aside any more
        given = {"shard": 0, "batch_id": batches[0], "part": part}
        assert conn.execute(sql.query("graph/merging/set_aside"), given).rowcount == part
    conn.execute(sql.query("graph/merging/note_error"), {"batch_id": batches[0], "error": '{"of": "the first"}'})

    found = conn.execute("SELECT batch_id, shard, part FROM deltas WHERE merged_at IS NOT NULL").fetchall()
    assert found == [(batches[0], 0, 0)]
    assert conn.execute("SELECT batch_id, shard, part FROM deltas WHERE held").fetchall() == [(batches[0], 0, 1)]
    assert scalars(conn, "SELECT id FROM batches WHERE error <> '{}'") == [batches[0]]
