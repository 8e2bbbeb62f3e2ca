"""Plans that must not regress: work is found by index, and merging into known edges stays HOT."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

import sql
from app.settings import Settings
from tests.graphs import apply_all
from tests.sql.test_statements import numbered
from tests.uploading import posts_csv, upload

Connection = psycopg.Connection[Any]

INDEXED = [
    ("batches/ring_due", "batches_staged"),
    ("batches/failed", "batches_failed"),
    ("batches/of_upload", "batches_upload_id_ordinal_key"),
    ("rejects/of_upload", "rejects_pkey"),
    ("deltas/take", "deltas_pending"),
    ("deltas/pending", "deltas_pending"),
    ("edges/get", "edges_pkey"),
    ("edges/outgoing", "edges_pkey"),
    ("edges/incoming", "edges_target"),
    ("decay/page_end", "edges_pkey"),
    ("decay/archive", "edges_pkey"),
    ("decay/delete", "edges_pkey"),
    ("decay/write_down", "edges_pkey"),
    ("archive/holds", "edges_archive_pkey"),
    ("archive/take_back", "edges_archive_pkey"),
    ("users/get", "users_pkey"),
    ("uploads/earlier", "uploads_same_bytes"),
]


@pytest.mark.parametrize(("name", "index"), INDEXED)
def test_statement_uses_its_index(name: str, index: str, conn: Connection) -> None:
    # The tables are empty: without sequential scans the planner shows which index can serve the statement at all.
    conn.execute("SET enable_seqscan = off")
    conn.execute("SET plan_cache_mode = force_generic_plan")
    conn.execute(b"PREPARE statement AS " + numbered(sql.query(name)))
    arguments = ", ".join(["NULL"] * len(set(re.findall(r"%\((\w+)\)s", sql.query(name)))))

    plan = "\n".join(row[0] for row in conn.execute(f"EXPLAIN EXECUTE statement ({arguments})".encode()).fetchall())

    assert index in plan, plan


def test_merging_into_known_edges_stays_hot(conn: Connection, settings: Settings, now: datetime) -> None:
    posts = [(f"@target{number % 50}", now, f"author{number % 400}") for number in range(4000)]
    for day in range(3):
        at = now + timedelta(days=day)
        upload(settings, posts_csv([*posts, (f"day {day}", at, "x")]), received_at=at)
        apply_all(settings, now=at)

    conn.execute("SELECT pg_stat_force_next_flush()")
    with psycopg.connect(settings.database_url) as fresh:
        row = fresh.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'edges'"
        ).fetchone()
    assert row is not None
    assert row[0] >= 800
    assert row[1] / row[0] > 0.6
