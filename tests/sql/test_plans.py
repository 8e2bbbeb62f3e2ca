"""Plans that must not regress: work is found by index, and merging into known edges stays HOT."""

from __future__ import annotations

import math
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
    ("ledger/sweeping/ring_due", "batches_staged"),
    ("ledger/transitions/failed_batches", "batches_failed"),
    ("ledger/entries/batches", "batches_upload_id_ordinal_key"),
    ("ledger/entries/rejects", "rejects_pkey"),
    ("graph/merging/take", "deltas_pending"),
    ("graph/merging/pending", "deltas_pending"),
    ("reads/edges/get", "edges_pkey"),
    ("reads/edges/held_incoming", "top_edges_target"),
    ("reads/edges/held_incoming", "edges_pkey"),
    ("reads/edges/held_outgoing", "top_edges_pkey"),
    ("reads/edges/held_outgoing", "edges_pkey"),
    ("reads/edges/reciprocal", "edges_pkey"),
    ("reads/networks/around", "edges_pkey"),
    ("reads/networks/around", "edges_target"),
    ("reads/networks/neighbours", "edges_pkey"),
    ("reads/networks/neighbours", "edges_target"),
    ("reads/networks/among", "edges_pkey"),
    ("reads/networks/crowded", "edges_target"),
    ("reads/users/by_prefix", "users_handle"),
    ("graph/decay/look", "Tid Range Scan"),
    ("graph/decay/archive", "Tid Range Scan"),
    ("graph/decay/write_down", "Tid Range Scan"),
    ("graph/decay_ranges/note", "edges_pkey"),
    ("graph/decay_ranges/due", "decay_ranges_pkey"),
    ("graph/merging/archived", "edges_archive_pkey"),
    ("graph/merging/take_back", "edges_archive_pkey"),
    ("reads/users/get", "users_pkey"),
    ("reads/users/totals", "edges_pkey"),
    ("reads/users/totals", "edges_target"),
    ("summaries/summarizing/take", "deltas_unsummarized"),
    ("summaries/summarizing/state", "deltas_unsummarized"),
    ("summaries/summarizing/payloads", "deltas_pkey"),
    ("ledger/retention/uploads_due", "uploads_unpurged"),
    ("summaries/user_totals/subtract", "user_totals_pkey"),
    ("summaries/user_totals/trim", "top_users_score"),
    ("reads/rankings/probe_days", "day_blocks_pkey"),
    ("reads/rankings/probe_days", "day_runs_pkey"),
    ("reads/rankings/edges", "top_edges_score"),
    ("reads/rankings/edges", "edges_pkey"),
    ("reads/rankings/users", "top_users_score"),
    ("reads/rankings/users", "user_totals_pkey"),
    ("reads/rankings/trending", "trending_users_pkey"),
    ("reads/rankings/staleness", "deltas_unsummarized"),
    ("ledger/sealing/earlier_upload", "uploads_sha256"),
    ("ledger/sealing/earlier_zip", "uploads_sha256"),
    ("ledger/entries/entries", "batches_upload_id_ordinal_key"),
    ("ledger/transitions/finish_zips", "uploads_members"),
    ("ledger/sweeping/idle_zips", "uploads_unfinished"),
    ("reads/metrics/ledger/uploads", "uploads_unfinished"),
    ("reads/metrics/ledger/batches", "batches_staged"),
    ("reads/metrics/ledger/batches", "batches_failed"),
    ("reads/metrics/ledger/batches", "batches_counted"),
    ("reads/metrics/ledger/stale", "deltas_unsummarized"),
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


@pytest.mark.parametrize(
    ("outgoing", "indexes"),
    [(True, {"edges_pkey", "edges_archive_pkey"}), (False, {"edges_target", "edges_archive_target"})],
)
@pytest.mark.parametrize("name", ["reads/edges/mentions", "reads/networks/step"])
def test_a_statement_for_both_directions_reads_by_the_index_of_one(
    name: str, outgoing: bool, indexes: set[str], conn: Connection, now: datetime
) -> None:
    conn.execute("SET enable_seqscan = off")
    params = {
        "outgoing": outgoing,
        "archived": True,
        "archived_after": now,
        "self_mentions": False,
        "user_id": 1,
        "ids": [1, 2],
        "as_of": now,
        "half_life_seconds": 1.0,
        "after_weight": math.inf,
        "after_id": 0,
        "limit": 10,
        "most": 10,
    }

    plan = "\n".join(row[0] for row in conn.execute(f"EXPLAIN {sql.query(name)}".encode(), params).fetchall())

    assert set(re.findall(r"edges_\w+", plan)) - {"edges_archive"} == indexes, plan


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
