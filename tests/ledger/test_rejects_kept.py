"""The rows of a bounded number of rejects are kept. The numbers of all rejects stay exact, by batch and by code."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import msgspec
import psycopg
import pytest

from app.graph import counting
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import transitions
from app.posts.options import ColumnNames, Options
from app.proofs.audit import audit
from app.settings import Settings
from app.store import postgres
from tests.graphs import apply_all
from tests.uploading import upload

Connection = psycopg.Connection[Any]
HEADER = b"data,timestamp,username\n"
ROW = b"@bob,2026-01-01,ada\n"
UNREADABLE, NOBODY = b"@bob,never,ada\n", b"@bob,2026-01-01,\n"
KEPT = 7


@pytest.fixture
def bounded(settings: Settings) -> Settings:
    """Settings for batches of a few rows, and few rejects."""
    return msgspec.structs.replace(settings, batch_bytes=200, rejects_kept=KEPT)


def numbers(conn: Connection) -> tuple[int, int, int, int]:
    """Rows received, accepted and rejected as the ledger has them, and the rejects that are there."""
    [(received, accepted, rejected)] = conn.execute(
        "select sum(rows_received), sum(rows_accepted), sum(rows_rejected) from batches"
    ).fetchall()
    return received, accepted, rejected, postgres.scalars(conn, "SELECT count(*) FROM rejects")[0]


@pytest.mark.parametrize("dry_run", [True, False])
def test_so_many_rejects_are_kept_and_all_are_counted_by_code(
    conn: Connection, bounded: Settings, now: datetime, *, dry_run: bool
) -> None:
    content = HEADER + 40 * UNREADABLE + 20 * NOBODY + 3 * ROW
    upload(bounded, content, received_at=now, options=Options(dry_run=dry_run))

    apply_all(bounded, now=now)

    assert numbers(conn) == (63, 3, 60, KEPT)
    codes = conn.execute(
        "select key, sum(value::bigint)::int from batches, jsonb_each_text(reject_codes) group by key order by key"
    ).fetchall()
    assert codes == [("empty_author", 20), ("unreadable_timestamp", 40)]
    unlike = conn.execute(
        "select count(*) from batches b where rows_rejected <> (select coalesce(sum(value::int), 0) from "
        "jsonb_each_text(coalesce(reject_codes, '{}'))) or rejects_kept <> (select count(*) from rejects r "
        "where r.batch_id = b.id)"
    ).fetchall()
    assert unlike == [(0,)]
    assert audit(conn).exact
    conn.execute("delete from rejects where line = (select min(line) from rejects)")
    assert audit(conn).batches_with_lost_rejects == 1


def test_batches_that_are_counted_at_once_share_the_bound(conn: Connection, bounded: Settings, now: datetime) -> None:
    upload(bounded, HEADER + 120 * UNREADABLE, received_at=now)
    batches: list[int] = postgres.scalars(conn, "SELECT id FROM batches")
    parameters = read_parameters(conn)

    def work(batch: int) -> None:
        with postgres.connect(bounded.database_url, role="test") as own:
            claim = transitions.claim(own, batch, settings=bounded, now=now)
            assert claim is not None
            users = UserIds(bits=64, memory=10)
            assert counting.count_batch(own, claim, parameters, users, now=now, rejects_kept=KEPT)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, batches))

    assert len(batches) >= 8
    assert numbers(conn)[2:] == (120, KEPT)
    assert postgres.scalars(conn, "SELECT state FROM uploads") == ["failed"]
    assert audit(conn).exact


def test_a_batch_that_is_counted_twice_keeps_its_rejects_once(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    """A message may come twice, and a claim may be superseded while its holder works on."""
    upload(settings, HEADER + 3 * UNREADABLE + ROW, received_at=now)
    [batch] = postgres.scalars(conn, "SELECT id FROM batches")
    impatient = msgspec.structs.replace(settings, claim_seconds=1e-6)
    first = transitions.claim(conn, batch, settings=impatient, now=now)
    second = transitions.claim(conn, batch, settings=settings, now=now.replace(minute=1))
    assert first is not None
    assert second is not None
    parameters, users = read_parameters(conn), UserIds(bits=64, memory=10)

    assert counting.count_batch(conn, first, parameters, users, now=now, rejects_kept=2) is None
    assert counting.count_batch(conn, second, parameters, users, now=now, rejects_kept=2) is not None
    assert counting.count_batch(conn, second, parameters, users, now=now, rejects_kept=2) is None

    assert numbers(conn) == (4, 1, 3, 2)


def test_the_files_of_a_zip_share_the_bound(conn: Connection, bounded: Settings, now: datetime) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(5):
            archive.writestr(f"{number}.csv", HEADER + (3 + number) * UNREADABLE + ROW)
    upload(bounded, packed.getvalue(), received_at=now, filename="many.zip")

    apply_all(bounded, now=now)

    assert numbers(conn) == (30, 5, 25, KEPT)
    assert audit(conn).exact


def test_all_rejected_says_the_commonest_reason_though_none_of_its_rows_is_kept(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    few = msgspec.structs.replace(settings, rejects_kept=2)
    upload(few, HEADER + 2 * NOBODY + 5 * UNREADABLE, received_at=now)

    apply_all(few, now=now)

    [error] = postgres.scalars(conn, "SELECT error ->> 'detail' FROM uploads")
    assert "All 7 rows were rejected" in error
    assert "The commonest reason is unreadable_timestamp (5). Send" in error


def test_a_reject_takes_little_room_whatever_the_file_calls_its_columns(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    """10,000 of these bytes times 10,000 rejects would be as bad as 2,000,000 rejects."""
    long = b"t" * 50_000
    options = Options(columns=ColumnNames("data", long.decode(), "username"))
    content = b"data," + long + b",username\n" + 5 * b"@bob,never,ada\n" + b"x" * 200_000 + b",never,ada\n"
    upload(settings, content, received_at=now, options=options)

    apply_all(settings, now=now)

    sizes = postgres.scalars(
        conn, "SELECT octet_length(column_name) + octet_length(message) + length(raw) + length(value) FROM rejects"
    )
    assert len(sizes) == 6
    assert max(sizes) < 6000
