"""A database of an earlier release is upgraded: nothing changes by it, and everything goes on from there."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from psycopg import sql

from app.graph import decay, withdrawal
from app.graph.parameters import read_parameters
from app.ledger import retention, transitions
from app.ledger.states import UploadState
from app.proofs.audit import audit, audit_with_weights
from app.settings import Settings
from app.store import postgres
from app.store.migrations import pending_migrations
from ops.oracle.account import account
from tests.conftest import Addresses, database_url
from tests.graphs import edges
from tests.http.conftest import serving
from tests.system.test_cli import run
from tests.upgrade.make import HERE, SUFFIX, Expected, states, weights
from tests.upgrade.past import DAY, KEY, LAST, Past, content

Connection = psycopg.Connection[Any]
NAMES = sorted(file.name.removesuffix(SUFFIX) for file in HERE.glob(f"*{SUFFIX}"))
FINISHED = {
    "retracting": "retracted",
    "cancelling": "cancelled",
    "applying": "applied",
    "staged": "applied",
    "receiving": "aborted",
}
"""What becomes of an upload that was under way."""

HELD: dict[str, LiteralString] = {
    "archived edges": "SELECT count(*) FROM edges_archive",
    "rejects": "SELECT count(*) FROM rejects",
    "failed batches beside applied ones": "SELECT count(*) FROM batches f JOIN batches a USING (upload_id) "
    "WHERE f.state = 'failed' AND a.state = 'applied'",
    "purged uploads": "SELECT count(*) FROM uploads WHERE purged_at IS NOT NULL",
    "pending deltas": "SELECT count(*) FROM deltas WHERE merged_at IS NULL AND NOT held AND sign = 1",
    "deltas to take out": "SELECT count(*) FROM deltas WHERE merged_at IS NULL AND sign = -1",
    "held deltas": "SELECT count(*) FROM deltas WHERE held",
    "users' totals": "SELECT count(*) FROM user_totals",
    "days": "SELECT count(*) FROM day_blocks",
    "keys": "SELECT count(*) FROM idempotency_keys",
    "unfinished decay runs": "SELECT count(*) FROM decay_runs WHERE finished_at IS NULL",
    "events": "SELECT count(*) FROM ledger_events",
}
"""How many a dump holds of what an upgrade may meet."""


def expected(name: str) -> Expected:
    return msgspec.json.decode((HERE / f"{name}.json").read_bytes(), type=Expected)


@pytest.fixture
def restored(
    request: pytest.FixtureRequest, addresses: Addresses, redis_url: str, namespace: str, tmp_path: Path
) -> Generator[Settings]:
    """A database restored from the dump that the test is about, as somebody would do it; not migrated."""
    archive = tmp_path / "past.dump"
    archive.write_bytes(gzip.decompress((HERE / f"{request.param}{SUFFIX}").read_bytes()))
    database = f"past_{uuid4().hex}"
    with psycopg.connect(addresses.postgres, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        url = database_url(addresses.postgres, database)
        found = Settings(database_url=url, redis_url=redis_url, namespace=namespace)
        done = run("restore", archive, settings=found)
        assert done.returncode == 0, done.stderr
        yield found
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


each_release = pytest.mark.parametrize(
    ("name", "restored"), [(name, name) for name in NAMES], indirect=["restored"], ids=NAMES
)


def counted(contents: dict[str, str], files: list[str]) -> Counter[tuple[str, str]]:
    """Mentions by edge, as the slow oracle counts these files."""
    found = Counter[tuple[str, str]]()
    for file in files:
        seen = account(contents[file].encode()).edges
        found.update({edge: each.mention_count for edge, each in seen.items()})
    return found


def held(conn: Connection) -> Counter[tuple[str, str]]:
    """Mentions by edge, the archive included."""
    found = Counter[tuple[str, str]]()
    for table in ("edges", "edges_archive"):
        found.update({edge: each.mention_count for edge, each in edges(conn, LAST, table=table).items()})
    return found


def id_of(conn: Connection, file: str) -> UUID:
    [found] = postgres.scalars(conn, "SELECT id FROM uploads WHERE filename = %(file)s", {"file": file})
    return found


def finish(past: Past, conn: Connection) -> None:
    """Do what was under way, as workers would."""
    past.apply_all()
    run = decay.begin(conn, settings=past.settings, now=past.now)
    assert run is not None
    assert decay.work(conn, run, read_parameters(conn), clock=past.clock)


@each_release
def test_a_dump_holds_what_an_upgrade_may_meet(name: str, restored: Settings) -> None:
    """A dump in which something is missing would test nothing of it."""
    with postgres.connect(restored.database_url, role="test") as conn:
        found = states(conn)
        rows = {what: postgres.scalars(conn, count)[0] for what, count in HELD.items()}

    assert found == expected(name).states
    # A dry run is finished in the step that begins it.
    assert set(UploadState) - set(found.values()) == {UploadState.CHECKING}
    assert {what for what, count in rows.items() if not count} == set()


@each_release
def test_an_upgrade_changes_nothing_and_everything_goes_on(name: str, restored: Settings) -> None:
    before = expected(name)
    contents = dict(before.contents)
    done = run("migrate", settings=restored)
    assert done.returncode == 0, done.stderr
    assert pending_migrations(restored.database_url) == []
    past = Past(restored)
    with (
        serving(past.settings, past.clock) as api,
        postgres.connect(restored.database_url, role="test") as conn,
    ):
        past.connect_to(api.http)
        assert states(conn) == before.states
        assert weights(conn) == pytest.approx(before.edges, rel=1e-9)
        assert audit(conn).exact

        past.now = LAST + DAY
        finish(past, conn)
        assert states(conn) == {file: FINISHED.get(state, state) for file, state in before.states.items()}
        assert audit_with_weights(conn, sample=10_000, now=past.now).exact

        # What was uploaded before is known.
        assert past.send("first again.csv", contents["first.csv"].encode()).json()["id"] == str(
            id_of(conn, "first.csv")
        )
        repeated = past.send("keyed.csv", contents["keyed.csv"].encode(), key=KEY)
        assert repeated.json()["id"] == str(id_of(conn, "keyed.csv"))

        [failed] = transitions.failed_batches(conn, upload_id=id_of(conn, "failed.csv"))
        assert transitions.replay(conn, [failed.id], now=past.now) == [failed.id]
        for file in ("rejects.csv", "old_posts.csv", "first.csv"):
            withdrawal.retract(conn, id_of(conn, file), read_parameters(conn), now=past.now)
        assert past.send("new.csv", content("new", past.now)).status_code == 202
        assert past.send("cancelled again.csv", contents["cancelled.csv"].encode()).status_code == 202
        past.apply_all()

        contents |= {"new.csv": content("new", past.now).decode(), "cancelled again.csv": contents["cancelled.csv"]}
        applied = [file for file, state in states(conn).items() if state == "applied"]
        assert {"failed.csv", "new.csv", "cancelled again.csv"} <= set(applied)
        assert {"rejects.csv", "old_posts.csv", "first.csv"}.isdisjoint(applied)
        assert held(conn) == counted(contents, applied)
        assert audit_with_weights(conn, sample=10_000, now=past.now).exact

        past.now = LAST + 40 * DAY
        assert retention.purge(conn, settings=past.settings, now=past.now).payloads
        assert audit_with_weights(conn, sample=10_000, now=past.now).exact
        assert held(conn) == counted(contents, applied)
