"""Plans that must not regress: work is found by index, and merging into known edges stays HOT."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

import sql
from app.settings import Settings
from tests.conftest import until
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
    ("edges/held_incoming", "top_edges_target"),
    ("edges/held_incoming", "edges_pkey"),
    ("edges/held_outgoing", "top_edges_pkey"),
    ("edges/held_outgoing", "edges_pkey"),
    ("edges/incoming", "edges_target"),
    ("edges/incoming", "edges_archive_target"),
    ("edges/reciprocal", "edges_pkey"),
    ("edges/around", "edges_pkey"),
    ("edges/around", "edges_target"),
    ("edges/count_around", "edges_pkey"),
    ("edges/count_around", "edges_target"),
    ("edges/neighbours", "edges_pkey"),
    ("edges/neighbours", "edges_target"),
    ("edges/among", "edges_pkey"),
    ("edges/crowded", "edges_target"),
    ("edges/mentioned_by", "edges_pkey"),
    ("edges/mentioning", "edges_target"),
    ("users/by_prefix", "users_handle"),
    ("decay/look", "Tid Range Scan"),
    ("decay/archive", "Tid Range Scan"),
    ("decay/write_down", "Tid Range Scan"),
    ("decay/note", "edges_pkey"),
    ("decay/due", "decay_ranges_pkey"),
    ("archive/holds", "edges_archive_pkey"),
    ("archive/take_back", "edges_archive_pkey"),
    ("users/get", "users_pkey"),
    ("users/totals", "edges_pkey"),
    ("users/totals", "edges_target"),
    ("summaries/take", "deltas_unsummarized"),
    ("summaries/state", "deltas_unsummarized"),
    ("summaries/payloads", "deltas_pkey"),
    ("retention/uploads_due", "uploads_unpurged"),
    ("user_totals/subtract", "user_totals_pkey"),
    ("top_users/trim", "top_users_score"),
    ("day_runs/probe", "day_blocks_pkey"),
    ("day_runs/probe", "day_runs_pkey"),
    ("rankings/edges", "top_edges_score"),
    ("rankings/edges", "edges_pkey"),
    ("rankings/users", "top_users_score"),
    ("rankings/users", "user_totals_pkey"),
    ("rankings/trending", "trending_users_pkey"),
    ("rankings/staleness", "deltas_unsummarized"),
    ("uploads/earlier", "uploads_sha256"),
]


@pytest.mark.parametrize(("name", "index"), INDEXED)
def test_statement_uses_its_index(name: str, index: str, conn: Connection) -> None:
    # The tables are empty: without sequential scans the planner shows which index can serve the statement at all.
    conn.execute("SET enable_seqscan = off")
    conn.execute("SET plan_cache_mode = force_generic_plan")
    conn.execute(b"PREPARE statement AS " + numbered(sql.query(name)))
    arguments = ", ".join(["NULL"] * len(set(re.findall(r"%\((\w+)\)s", sql.query(name)))))

    given = f"({arguments})" if arguments else ""
    plan = "\n".join(row[0] for row in conn.execute(f"EXPLAIN EXECUTE statement {given}".encode()).fetchall())

    assert index in plan, plan


def test_merging_into_known_edges_stays_hot(settings: Settings, now: datetime) -> None:
    everybody = [(f"@target{number % 50}", now, f"author{number}") for number in range(3000)]
    upload(settings, posts_csv(everybody), received_at=now)
    apply_all(settings, now=now)
    # As many rows a page as fit into what the fill factor leaves free.
    later = now + timedelta(days=1)
    third = [(text, later, author) for text, _, author in everybody[::3]]
    upload(settings, posts_csv(third), received_at=later)
    apply_all(settings, now=later)

    def updates() -> tuple[int, int]:
        # Another backend's counts arrive when it has ended.
        with psycopg.connect(settings.database_url) as fresh:
            row = fresh.execute(
                "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'edges'"
            ).fetchone()
        assert row is not None
        return row[0], row[1]

    until(lambda: updates()[0] >= 1000, within=20, what="the updates are counted")
    every, hot = updates()
    assert hot / every > 0.9
