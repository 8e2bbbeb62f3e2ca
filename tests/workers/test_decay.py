"""Decay: writing down changes no effective weight; the lightest are archived, and come back when mentioned again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings

from app import db, decay, ledger
from app.audit import audit
from app.settings import Settings
from tests.graphs import apply_all, edges
from tests.uploading import posts_csv, upload

WEEK = timedelta(days=7)
Connection = psycopg.Connection[Any]


def mention(settings: Settings, *pairs: tuple[str, str], at: datetime) -> None:
    """Apply an upload in which each source mentions its target once, received at `at`."""
    upload(settings, posts_csv([(f"@{target}", at, source) for source, target in pairs]), received_at=at, again=True)
    apply_all(settings, now=at)


def run(conn: Connection, settings: Settings, now: datetime, *, page: int = 1000) -> decay.Totals | None:
    """One decay run asked for by hand."""
    started = decay.begin(conn, settings=settings, now=now)
    if started is None:
        return None
    decay.work(conn, started, ledger.parameters(conn), page=page, clock=lambda: now)
    return decay.totals(conn, started)


def test_fresh_edges_are_left_alone(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, ("ada", "bob"), at=now)

    assert run(conn, settings, now + timedelta(days=6)) == decay.Totals(written_down=0, archived=0, shards_done=8)


def test_a_stale_edge_is_written_down_to_the_present(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, ("ada", "bob"), at=now)

    totals = run(conn, settings, now + 2 * WEEK)

    assert totals == decay.Totals(written_down=1, archived=0, shards_done=8)
    assert conn.execute("SELECT weight, weighed_at FROM edges").fetchall() == [(0.25, now + 2 * WEEK)]


def test_running_twice_decays_once(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, ("ada", "bob"), ("bob", "ada"), at=now)
    later = now + 3 * WEEK
    before = edges(conn, later)

    run(conn, settings, now + 2 * WEEK)
    run(conn, settings, now + 2 * WEEK)

    assert edges(conn, later) == before


def test_an_edge_under_the_floor_is_archived_with_its_history(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    mention(settings, ("ada", "bob"), ("ada", "bob"), ("ada", "cy"), at=now)

    totals = run(conn, settings, now + 4.5 * WEEK)

    assert totals == decay.Totals(written_down=1, archived=1, shards_done=8)
    assert list(edges(conn, now)) == [("ada", "bob")]
    assert edges(conn, now + 4.5 * WEEK, table="edges_archive")["ada", "cy"].mention_count == 1
    assert audit(conn).exact


def test_a_new_mention_brings_an_archived_edge_back(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, ("ada", "bob"), at=now)
    run(conn, settings, now + 6 * WEEK)
    assert edges(conn, now) == {}

    mention(settings, ("ada", "bob"), at=now + 7 * WEEK)

    held = edges(conn, now + 7 * WEEK)["ada", "bob"]
    assert held.mention_count == 2
    assert held.weight == pytest.approx(1 + 2**-7)
    assert edges(conn, now, table="edges_archive") == {}
    assert conn.execute("SELECT first_seen, last_seen FROM edges").fetchall() == [(now, now + 7 * WEEK)]
    assert audit(conn).exact


def test_a_killed_run_is_gone_on_with_from_its_cursor(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, *((f"author{number}", "bob") for number in range(50)), at=now)
    later = now + 2 * WEEK

    class Killed(Exception):
        pass

    def die(totals: decay.Totals) -> None:
        if totals.written_down >= 20:
            raise Killed

    started = decay.begin(conn, settings=settings, now=later)
    assert started is not None
    parameters = ledger.parameters(conn)
    with pytest.raises(Killed):
        decay.work(conn, started, parameters, page=3, clock=lambda: later, progress=die)

    resumed = decay.begin(conn, settings=settings, now=later + WEEK)
    assert resumed == started
    decay.work(conn, started, parameters, page=3, clock=lambda: later)
    assert decay.totals(conn, started) == decay.Totals(written_down=50, archived=0, shards_done=8)
    assert conn.execute("SELECT DISTINCT weighed_at FROM edges").fetchall() == [(later,)]


def test_a_preview_says_what_a_run_would_do(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, ("ada", "bob"), ("ada", "bob"), ("ada", "cy"), at=now)
    mention(settings, ("dee", "cy"), at=now + 4 * WEEK)
    at = now + 4.5 * WEEK

    preview = decay.preview(conn, ledger.parameters(conn), settings=settings, now=at)

    assert preview == decay.Preview(edges=3, stale=2, to_archive=1)
    assert len(edges(conn, at)) == 3


@given(
    mentions=strategies.lists(
        strategies.tuples(strategies.sampled_from(["ada", "bob"]), strategies.sampled_from(["cy", "dee"])), max_size=12
    ),
    steps=strategies.lists(strategies.integers(1, 40), min_size=1, max_size=12),
    page=strategies.integers(1, 5),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
def test_decay_changes_no_effective_weight(
    settings: Settings, now: datetime, mentions: list[tuple[str, str]], steps: list[int], page: int
) -> None:
    """Mentions, and decay runs between them, at any distance: as if every mention decayed on its own."""
    with db.connect(settings.database_url, role="test") as conn:
        conn.execute("TRUNCATE uploads, users, edges, edges_archive, decay_runs CASCADE")
        at = now
        made: dict[tuple[str, str], list[datetime]] = {}
        for step, days in enumerate(steps):
            at += timedelta(days=days)
            if step < len(mentions):
                mention(settings, mentions[step], at=at)
                made.setdefault(mentions[step], []).append(at)
            run(conn, settings, at + timedelta(days=days / 2), page=page)

        at += timedelta(days=41)
        found = {**edges(conn, at), **edges(conn, at, table="edges_archive")}
        assert {edge: held.mention_count for edge, held in found.items()} == {
            edge: len(instants) for edge, instants in made.items()
        }
        assert {edge: held.weight for edge, held in found.items()} == pytest.approx(
            {edge: sum(2.0 ** (-((at - instant) / WEEK)) for instant in instants) for edge, instants in made.items()},
            rel=1e-9,
        )
        assert audit(conn).exact
