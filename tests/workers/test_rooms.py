"""A room follows its graph: through another name and other settings, and not into another graph of the same name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import psycopg
import pytest
from psycopg import conninfo, sql

from app.ledger import transitions
from app.ledger.transitions import Claim
from app.proofs.audit import audit
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection, scalars
from tests.conftest import Databases, until
from tests.uploading import posts_csv, upload
from workers import main
from workers.process import Process
from workers.rooms import Room

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
List = Callable[[str, str], None]


def claimed(settings: Settings, url: str) -> Claim:
    """A batch of the graph of this database, claimed."""
    theirs = msgspec.structs.replace(settings, database_url=url)
    upload(theirs, posts_csv([("@bob", NOW, "eve")]), received_at=NOW)
    with postgres.connect(url, role="test") as conn:
        (batch,) = scalars(conn, "SELECT id FROM batches")
        claim = transitions.claim(conn, batch, settings=theirs, now=postgres.clock())
    assert claim is not None
    return claim


def room_of(worker: Process, name: str) -> Room:
    room = worker.rooms.find(name)
    assert room is not None
    return room


@pytest.mark.parametrize(("name", "days_kept"), [("b", 3), ("c", 7)])
def test_a_graph_that_is_changed_keeps_the_claims_of_its_workers(  # noqa: PLR0917
    worker: Process, conn: Connection, beside: str, listed: List, name: str, days_kept: int
) -> None:
    """It has other settings, or another name and other settings."""
    listed("b", beside)
    claim, room = claimed(worker.settings, beside), room_of(worker, "b")

    with room.holding(claim), room.connection():
        conn.execute("UPDATE graphs SET name = %s, days_kept = %s", [name, days_kept])
        worker.rooms.refresh()
        with postgres.connect(beside, role="test") as other:
            other.execute("UPDATE batches SET claimed_until = now() - interval '1 s'")
            worker.renew_claims()
            until(
                lambda: scalars(other, "SELECT claimed_until > now() FROM batches") == [True], within=10, what="renewed"
            )

    now_there = [each for each in worker.rooms.all() if each.name != "default"]
    assert now_there == [room]
    assert (room.name, room.settings.days_kept) == (name, days_kept)
    with room.connection() as again:
        assert scalars(again, "SELECT count(*) FROM batches") == [1]


def test_a_database_that_was_made_again_has_other_users(
    worker: Process, conn: Connection, databases: Databases, template: str, listed: List
) -> None:
    """A graph was dropped and created again under its name between two looks at the list."""
    url, settings = databases.make(), worker.settings
    name = str(conninfo.conninfo_to_dict(url)["dbname"])
    listed("b", url)

    def count(author: str) -> None:
        theirs = msgspec.structs.replace(settings, database_url=url)
        upload(theirs, posts_csv([("@bob", NOW, author), ("@eve", NOW, "bob")]), received_at=NOW)
        with postgres.connect(url, role="test") as other:
            (batch,) = scalars(other, "SELECT id FROM batches")
            main.count.fn(batch, "b")
            assert scalars(other, "SELECT state FROM batches") == ["counted"]
            for shard in scalars(other, "SELECT DISTINCT shard FROM deltas WHERE merged_at IS NULL"):
                main.merge.fn(shard, "b")

    count("ada")
    with psycopg.connect(conninfo.make_conninfo(settings.database_url, dbname="postgres"), autocommit=True) as server:
        for statement in ("DROP DATABASE {name} WITH (FORCE)", "CREATE DATABASE {name} TEMPLATE {template}"):
            server.execute(sql.SQL(statement).format(name=sql.Identifier(name), template=sql.Identifier(template)))
    count("mallory")

    with postgres.connect(url, role="test") as other:
        assert scalars(other, "SELECT handle FROM users ORDER BY handle") == ["bob", "eve", "mallory"]
        assert audit(other).exact
    conn.execute("UPDATE graphs SET created_at = created_at + interval '1 s'")
    before = room_of(worker, "b")
    worker.rooms.refresh()
    assert room_of(worker, "b") is not before, "half-life and shards are read anew"


def test_an_attempt_is_given_back_once(
    worker: Process, settings: Settings, beside: str, listed: List, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweeper and a sweep that a scheduler asked for meet: the second comes while the first writes."""
    listed("b", beside)
    claim, room = claimed(settings, beside), room_of(worker, "b")
    with postgres.connect(beside, role="test") as other:
        other.execute("UPDATE batches SET attempts = 3")
        give_back = transitions.give_back

        def met(conn: Connection, claims: list[Claim]) -> None:
            monkeypatch.setattr(transitions, "give_back", give_back)
            room.give_back(other)
            give_back(conn, claims)

        monkeypatch.setattr(transitions, "give_back", met)
        room.give_back_later(claim)
        with room.connection() as conn:
            room.give_back(conn)

        assert scalars(other, "SELECT attempts FROM batches") == [2]
