"""Decay: writing down changes no effective weight; the lightest are archived, and come back when mentioned again.
Stale edges are found wherever they are, and where none can be, nothing is read."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings

from app.graph import decay, decay_ranges, withdrawal
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.posts.options import Clock, Options
from app.proofs import rebuild
from app.proofs.audit import audit
from app.settings import Settings
from app.store import locks, postgres
from app.store.migrations import migrate
from ops.embedded.postgres import Postgres
from tests import summing
from tests.graphs import Held, apply_all, edges
from tests.uploading import posts_csv, upload

WEEK = timedelta(days=7)
Connection = psycopg.Connection[Any]


def mention(settings: Settings, *pairs: tuple[str, str], at: datetime) -> None:
    """Apply an upload in which each source mentions its target once, received at `at`."""
    upload(settings, posts_csv([(f"@{target}", at, source) for source, target in pairs]), received_at=at, again=True)
    apply_all(settings, now=at)


def run(conn: Connection, settings: Settings, now: datetime) -> decay.Totals:
    """One decay run asked for by hand. It leaves nothing stale, wherever that was."""
    totals = run_unchecked(conn, settings, now)
    assert stale(conn, now - timedelta(days=settings.stale_after_days)) == 0
    return totals


def run_unchecked(conn: Connection, settings: Settings, now: datetime) -> decay.Totals:
    started = decay.begin(conn, settings=settings, now=now)
    assert started is not None
    assert decay.work(conn, started, read_parameters(conn), clock=lambda: now)
    return decay.totals(conn, started)


def held(conn: Connection) -> set[tuple[str, str]]:
    """The graph's heaviest edges, which are all of them in graphs so small."""
    statement = (
        "SELECT s.handle, t.handle FROM top_edges JOIN users s ON s.id = source_id JOIN users t ON t.id = target_id"
    )
    return set(conn.execute(statement).fetchall())


def stale(conn: Connection, before: datetime) -> int:
    return postgres.scalars(conn, "SELECT count(*) FROM edges WHERE weighed_at < %(before)s", {"before": before})[0]


def many(settings: Settings, count: int, at: datetime, *, author: str = "author") -> None:
    """So many edges, fifty or so on each page."""
    mention(settings, *((f"{author}{number}", "bob") for number in range(count)), at=at)


def pages(conn: Connection) -> int:
    return postgres.scalars(conn, "SELECT pg_relation_size('edges') / current_setting('block_size')::bigint")[0]


def tuples_read(conn: Connection) -> int:
    """Of the edges, by scans of the table or a part of it, by this session."""
    conn.execute("SELECT pg_stat_force_next_flush()")
    return postgres.scalars(conn, "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'edges'")[0]


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decay_ranges, "BLOCKS", 1)


def test_fresh_edges_are_left_alone(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, ("ada", "bob"), at=now)

    totals = run(conn, settings, now + timedelta(days=6))

    assert (totals.written_down, totals.archived) == (0, 0)
    assert conn.execute("SELECT weight, weighed_at FROM edges").fetchall() == [(1.0, now)]


def test_a_stale_edge_is_written_down_to_the_present(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, ("ada", "bob"), at=now)

    totals = run(conn, settings, now + 2 * WEEK)

    assert totals == decay.Totals(written_down=1, archived=0, looked_at=1, to_look_at=0)
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

    assert totals == decay.Totals(written_down=1, archived=1, looked_at=1, to_look_at=0)
    assert list(edges(conn, now)) == [("ada", "bob")]
    assert edges(conn, now).keys() == held(conn)
    assert edges(conn, now + 4.5 * WEEK, table="edges_archive")["ada", "cy"].mention_count == 1
    assert audit(conn).exact


@pytest.mark.parametrize("batch_edges", [1, 100, 15_000])
def test_a_smaller_batch_makes_smaller_transactions_and_the_same_graph(
    conn: Connection, settings: Settings, now: datetime, batch_edges: int
) -> None:
    many(settings, 2000, now)
    later = now + 3 * WEEK
    before, parameters = edges(conn, later), read_parameters(conn)
    started = decay.begin(conn, settings=settings, now=now + 2 * WEEK)
    assert started is not None

    assert decay.work(conn, started, parameters, clock=lambda: now + 2 * WEEK, batch_edges=batch_edges)

    assert edges(conn, later) == before
    assert stale(conn, now + 2 * WEEK) == 0
    # Each row's xmin is the transaction that wrote the row.
    largest = max(count for (count,) in conn.execute("SELECT count(*) FROM edges GROUP BY xmin::text").fetchall())
    assert (largest <= decay.EDGES_A_BLOCK) == (batch_edges < 15_000), largest


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


@pytest.mark.usefixtures("small_ranges")
def test_a_killed_run_is_gone_on_with_where_it_was(conn: Connection, settings: Settings, now: datetime) -> None:
    many(settings, 300, now)
    later, held = now + 2 * WEEK, pages(conn)
    assert held > 4

    class Killed(Exception):
        pass

    def die(totals: decay.Totals) -> None:
        if totals.written_down >= 100:
            raise Killed

    started = decay.begin(conn, settings=settings, now=later)
    assert started is not None
    parameters = read_parameters(conn)
    with pytest.raises(Killed):
        decay.work(conn, started, parameters, clock=lambda: later, progress=die)
    assert stale(conn, started.stale_before) > 0

    resumed = decay.begin(conn, settings=settings, now=later + WEEK)
    assert resumed == started
    assert decay.work(conn, started, parameters, clock=lambda: later)
    assert decay.totals(conn, started) == decay.Totals(written_down=300, archived=0, looked_at=held, to_look_at=0)
    assert conn.execute("SELECT DISTINCT weighed_at FROM edges").fetchall() == [(later,)]


def test_a_run_that_another_works_on_is_left_to_it(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, ("ada", "bob"), at=now)
    started = decay.begin(conn, settings=settings, now=now + 2 * WEEK)
    assert started is not None
    parameters = read_parameters(conn)

    with postgres.connect(settings.database_url, role="test") as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", [locks.Part.DECAY, started.id])
        assert not decay.work(conn, started, parameters, clock=lambda: now)

    assert decay.totals(conn, started).written_down == 0
    assert decay.work(conn, started, parameters, clock=lambda: now)
    assert decay.totals(conn, started).written_down == 1


def test_a_run_that_another_works_on_is_not_finished_though_nothing_is_left_to_do(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    started = decay.begin(conn, settings=settings, now=now)
    assert started is not None

    with postgres.connect(settings.database_url, role="test") as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", [locks.Part.DECAY, started.id])
        assert not decay.work(conn, started, read_parameters(conn), clock=lambda: now)

    assert conn.execute("SELECT finished_at FROM decay_runs").fetchall() == [(None,)]


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("written_down", [pytest.param(1, id="in stale blocks"), pytest.param(300, id="in fresh ones")])
def test_a_run_that_another_takes_over_is_left_to_it_where_it_is(
    conn: Connection, settings: Settings, now: datetime, written_down: int
) -> None:
    later = now + 2 * WEEK
    many(settings, 300, now, author="stale")
    many(settings, 300, later, author="fresh")
    started = decay.begin(conn, settings=settings, now=later)
    assert started is not None
    parameters = read_parameters(conn)
    reached = list[decay.Totals]()
    with postgres.connect(settings.database_url, role="test") as other:

        def take_over(totals: decay.Totals) -> None:
            if totals.written_down >= written_down:
                reached.append(totals)
                other.execute("SELECT pg_advisory_lock(%s, %s)", [locks.Part.DECAY, started.id])

        assert not decay.work(conn, started, parameters, clock=lambda: later, progress=take_over)
        other.execute("SELECT pg_advisory_unlock_all()")

    assert [decay.totals(conn, started)] == reached
    assert reached[0].to_look_at > 0
    assert decay.work(conn, started, parameters, clock=lambda: later)
    assert (decay.totals(conn, started).written_down, decay.totals(conn, started).to_look_at) == (300, 0)


def test_weights_that_do_not_halve_are_neither_written_down_nor_archived(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    conn.execute("UPDATE graph_parameters SET half_life = NULL")
    settings = msgspec.structs.replace(settings, archive_below=2.0)
    mention(settings, ("ada", "bob"), at=now)
    later = now + 50 * WEEK

    preview = decay.preview(conn, read_parameters(conn), settings=settings, now=later)
    assert preview == decay.Preview(edges=1, stale=0, to_archive=0)
    assert run_unchecked(conn, settings, later) == decay.Totals(0, 0, 0, 0)

    assert conn.execute("SELECT weight, weighed_at FROM edges").fetchall() == [(1.0, now)]
    assert conn.execute("SELECT finished_at FROM decay_runs").fetchall() == [(later,)]


def test_archiving_changes_what_is_read_and_writing_down_does_not(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    def versions() -> list[object]:
        return conn.execute("SELECT part, version FROM graph_versions WHERE part >= 0 ORDER BY part").fetchall()

    mention(settings, ("ada", "bob"), at=now)
    before = versions()
    run(conn, settings, now + 2 * WEEK)
    assert versions() == before
    run(conn, settings, now + 5 * WEEK)
    assert versions() != before


# Finding what is stale ------------------------------------------------------------------------------------------------


def test_where_nothing_can_be_stale_nothing_is_read(conn: Connection, settings: Settings, now: datetime) -> None:
    many(settings, 300, now)
    run(conn, settings, now + timedelta(days=1))
    before = tuples_read(conn)

    assert run_unchecked(conn, settings, now + timedelta(days=3)).looked_at == 0
    assert tuples_read(conn) == before


@pytest.mark.usefixtures("small_ranges")
def test_only_blocks_with_something_stale_are_read(conn: Connection, settings: Settings, now: datetime) -> None:
    many(settings, 300, now)
    first = pages(conn)
    many(settings, 300, now + timedelta(days=2), author="other")
    assert pages(conn) > 1.8 * first
    run(conn, settings, now + timedelta(days=6.5))

    totals = run(conn, settings, now + timedelta(days=8))

    assert (totals.written_down, totals.looked_at) == (300, first)


@pytest.fixture
def own_server(settings: Settings, server_directory: Path) -> Generator[Settings]:
    """A PostgreSQL where nobody else's transactions keep old versions of rows."""
    server = Postgres(server_directory / "own", durable=False, autovacuum="off")
    server.start()
    migrate(server.dsn())
    yield msgspec.structs.replace(settings, database_url=server.dsn())
    server.stop()


def test_writing_everything_down_stays_hot_and_on_its_pages(own_server: Settings, now: datetime) -> None:
    many(own_server, 3000, now)
    with postgres.connect(own_server.database_url, role="test") as conn:
        before = pages(conn)

        assert run(conn, own_server, now + 2 * WEEK).written_down == 3000

        tuples_read(conn)
        [(updated, hot)] = conn.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'edges'"
        ).fetchall()
        assert updated >= 3000
        # In one go two thirds were HOT.
        assert hot / updated > 0.85
        assert pages(conn) <= before + 1


def test_posts_of_long_ago_are_found_though_they_came_just_now(
    conn: Connection, settings: Settings, now: datetime
) -> None:
    mention(settings, ("ada", "bob"), at=now)
    run(conn, settings, now)
    old = posts_csv([("@cy", now - 2 * WEEK, "dee"), ("@bob", now - 2 * WEEK, "ada")])
    upload(settings, old, options=Options(clock=Clock.EVENT), received_at=now)
    apply_all(settings, now=now)

    assert run(conn, settings, now + timedelta(hours=1)).written_down == 1


def test_an_upload_that_waited_for_days_is_found(conn: Connection, settings: Settings, now: datetime) -> None:
    upload(settings, posts_csv([("@bob", now, "ada")]), received_at=now)
    run(conn, settings, now + timedelta(days=3))
    apply_all(settings, now=now + timedelta(days=4))

    assert run(conn, settings, now + timedelta(days=8)).written_down == 1


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("rewriting", [b"VACUUM FULL edges", b"CLUSTER edges USING edges_pkey"])
def test_edges_that_a_rewritten_table_has_elsewhere_are_found(
    conn: Connection, settings: Settings, now: datetime, rewriting: bytes
) -> None:
    many(settings, 300, now + timedelta(days=2), author="young")
    many(settings, 300, now, author="old")
    run(conn, settings, now + timedelta(days=6.5))
    conn.execute("DELETE FROM edges WHERE weighed_at > %s", [now])
    conn.execute(rewriting)

    assert run(conn, settings, now + timedelta(days=8)).written_down == 300


@pytest.mark.usefixtures("small_ranges")
def test_edges_that_a_rebuild_has_put_elsewhere_are_found(conn: Connection, settings: Settings, now: datetime) -> None:
    many(settings, 300, now)
    at = now + timedelta(days=6.5)
    run(conn, settings, at)
    parameters = read_parameters(conn)
    user_ids = UserIds(bits=parameters.handle_bits, memory=1000)
    with postgres.connect(settings.database_url, role="test") as guard, rebuild.alone(guard, conn):
        rebuild.swap(conn, rebuild.count_anew(conn, parameters, user_ids), parameters, now=at)

    assert run(conn, settings, now + timedelta(days=8)).written_down == 300


def test_a_run_rests_while_an_upload_is_in_hand(conn: Connection, settings: Settings, now: datetime) -> None:
    rests: list[float] = []

    def work(at: datetime) -> None:
        started = decay.begin(conn, settings=settings, now=at)
        assert started is not None
        decay.work(conn, started, read_parameters(conn), clock=lambda: at, rest=rests.append)

    mention(settings, ("ada", "bob"), at=now)
    work(now + 2 * WEEK)
    assert rests == []
    upload(settings, posts_csv([("@cy", now, "dee")]), received_at=now)
    work(now + 4 * WEEK)
    assert len(rests) == 1


def test_a_preview_says_what_a_run_would_do(conn: Connection, settings: Settings, now: datetime) -> None:
    mention(settings, ("ada", "bob"), ("ada", "bob"), ("ada", "cy"), at=now)
    mention(settings, ("dee", "cy"), at=now + 4 * WEEK)
    at = now + 4.5 * WEEK

    preview = decay.preview(conn, read_parameters(conn), settings=settings, now=at)

    assert preview == decay.Preview(edges=3, stale=2, to_archive=1)
    assert len(edges(conn, at)) == 3


@given(
    mentions=strategies.lists(
        strategies.tuples(strategies.sampled_from(["ada", "bob"]), strategies.sampled_from(["cy", "dee"])), max_size=12
    ),
    steps=strategies.lists(strategies.integers(1, 40), min_size=1, max_size=12),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
def test_decay_changes_no_effective_weight(
    settings: Settings, now: datetime, mentions: list[tuple[str, str]], steps: list[int]
) -> None:
    """Mentions, and decay runs between them, at any distance: as if every mention decayed on its own."""
    with postgres.connect(settings.database_url, role="test") as conn:
        conn.execute("TRUNCATE uploads, users, edges, edges_archive, top_edges, decay_runs CASCADE")
        summing.empty(conn)
        at = now
        made: dict[tuple[str, str], list[datetime]] = {}
        for step, days in enumerate(steps):
            at += timedelta(days=days / 2)
            if step < len(mentions):
                mention(settings, mentions[step], at=at)
                made.setdefault(mentions[step], []).append(at)
            at += timedelta(days=days / 2)
            run(conn, settings, at)

        for asked in (now - 3 * WEEK, now, at - 2 * WEEK, at, at + timedelta(days=41)):
            found = {**edges(conn, asked), **edges(conn, asked, table="edges_archive")}
            assert {edge: held.mention_count for edge, held in found.items()} == {
                edge: len(instants) for edge, instants in made.items()
            }
            assert {edge: held.weight for edge, held in found.items()} == pytest.approx(
                {edge: sum(2.0 ** ((instant - asked) / WEEK) for instant in made[edge]) for edge in made}, rel=1e-9
            )
        assert audit(conn).exact


# Weights far older than those of usual graphs -------------------------------------------------------------------------

HOUR = timedelta(hours=1)


@pytest.fixture
def hourly(conn: Connection, settings: Settings) -> Settings:
    """Weights halve every hour: 10,000 half-lives are 14 months. A stale edge is one of seven half-lives."""
    conn.execute("UPDATE graph_parameters SET half_life = interval '1 hour'")
    return msgspec.structs.replace(settings, stale_after_days=7 / 24)


def mention_long_ago(settings: Settings, *mentions: tuple[str, str, datetime], at: datetime) -> UUID:
    """Apply an upload of posts that count as made when they were made, received at `at`."""
    posts = posts_csv([(f"@{target}", made, source) for source, target, made in mentions])
    upload_id = upload(settings, posts, options=Options(clock=Clock.EVENT), received_at=at, again=True)
    apply_all(settings, now=at)
    return upload_id


def bounded(exponents: Iterable[float]) -> float:
    """The sum of these powers of 2, where an answer holds it: at most 1e250, and 0 below 1e-250."""
    found = list(exponents)
    highest = max(found)
    if abs(highest) > 1000:
        return 1e250 if highest > 0 else 0.0
    total = 2.0**highest * sum(2.0 ** max(-1074.0, each - highest) for each in found)
    return 0.0 if total < 1e-250 else min(1e250, total)


def everywhere(conn: Connection, at: datetime) -> dict[tuple[str, str], Held]:
    return {**edges(conn, at), **edges(conn, at, table="edges_archive")}


ages = strategies.integers(0, 100_000).map(lambda tenths: tenths / 10)
"""In half-lives."""


@given(
    mentions=strategies.lists(
        strategies.tuples(strategies.sampled_from(["ada", "bob"]), strategies.sampled_from(["cy", "dee"]), ages),
        min_size=1,
        max_size=6,
    ),
    runs=strategies.lists(ages, min_size=1, max_size=3),
    asked=strategies.lists(strategies.integers(-100_000, 100_000).map(lambda tenths: tenths / 10), max_size=6),
    archive_below=strategies.sampled_from([0.0, 1e-300, 1e-12, 0.06, 1e9]),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
def test_decay_changes_no_effective_weight_however_old(  # noqa: PLR0917 (what hypothesis draws)
    hourly: Settings,
    now: datetime,
    mentions: list[tuple[str, str, float]],
    runs: list[float],
    asked: list[float],
    archive_below: float,
) -> None:
    """Mentions up to 10,000 half-lives before they are merged, real decay runs as long after, and any instant."""
    settings = msgspec.structs.replace(hourly, archive_below=archive_below)
    with postgres.connect(settings.database_url, role="test") as conn:
        conn.execute("TRUNCATE uploads, users, edges, edges_archive, top_edges, decay_runs CASCADE")
        summing.empty(conn)
        made: dict[tuple[str, str], list[datetime]] = {}
        for source, target, age in mentions:
            made.setdefault((source, target), []).append(now - age * HOUR)
            mention_long_ago(settings, (source, target, now - age * HOUR), at=now)
        instants = [now + each * HOUR for each in (*asked, 0, *runs)]
        instants += [each + away * HOUR for each in itertools.chain(*made.values()) for away in (-700, -1, 0, 1, 700)]
        before = {at: everywhere(conn, at) for at in instants}
        for later in sorted(runs):
            run_unchecked(conn, settings, now + later * HOUR)

        for at in instants:
            found = everywhere(conn, at)
            assert {edge: held.mention_count for edge, held in found.items()} == {
                edge: len(each) for edge, each in made.items()
            }
            weights = {edge: held.weight for edge, held in found.items()}
            assert weights == pytest.approx(
                {edge: held.weight for edge, held in before[at].items()}, rel=1e-9, abs=2e-250
            )
            assert weights == pytest.approx(
                {edge: bounded((each - at) / HOUR for each in instants) for edge, instants in made.items()},
                rel=1e-9,
                abs=2e-250,
            )
        assert audit(conn).exact


@pytest.mark.parametrize("archive_below", [0.0, 0.06])
def test_an_old_weight_is_as_it_was_after_a_run(conn: Connection, settings: Settings, archive_below: float) -> None:
    """A post of 2018 at 2018, with the half-life of 7 days, through a decay run of 2026."""
    made, at, now = (datetime(*day, tzinfo=UTC) for day in ((2018, 10, 11), (2018, 10, 12), (2026, 11, 30)))
    settings = msgspec.structs.replace(settings, archive_below=archive_below)
    mention_long_ago(settings, ("ada", "bob", made), at=now)

    run_unchecked(conn, settings, now)

    assert everywhere(conn, at)["ada", "bob"].weight == pytest.approx(2 ** (-1 / 7), rel=1e-12)
    assert bool(edges(conn, now, table="edges_archive")) == (archive_below > 0)


@pytest.mark.parametrize("archive_below", [0.0, 0.06])
def test_a_mention_onto_an_old_edge_and_its_retraction(
    conn: Connection, hourly: Settings, now: datetime, archive_below: float
) -> None:
    """The old mention keeps its count. Its weight is less than the rounding of what was taken out."""
    settings = msgspec.structs.replace(hourly, archive_below=archive_below)
    made = now - 5000 * HOUR
    mention_long_ago(settings, ("ada", "bob", made), at=now)
    run_unchecked(conn, settings, now)
    assert everywhere(conn, made - HOUR)["ada", "bob"].weight == pytest.approx(2.0)

    second = mention_long_ago(settings, ("ada", "bob", now), at=now + HOUR)
    assert edges(conn, now)["ada", "bob"].mention_count == 2
    assert edges(conn, now)["ada", "bob"].weight == pytest.approx(1.0)
    assert everywhere(conn, now - 500 * HOUR)["ada", "bob"].weight == pytest.approx(2.0**500)
    run_unchecked(conn, settings, now + 3000 * HOUR)
    assert everywhere(conn, now - 500 * HOUR)["ada", "bob"].weight == pytest.approx(2.0**500)

    withdrawal.retract(conn, second, read_parameters(conn), now=now + 3000 * HOUR)
    apply_all(settings, now=now + 3000 * HOUR)
    left = everywhere(conn, now)["ada", "bob"]
    assert left.mention_count == 1
    assert left.weight < 1e-12
    assert audit(conn).exact


def test_an_archived_edge_of_thousands_of_half_lives_can_be_taken_out(
    conn: Connection, hourly: Settings, now: datetime
) -> None:
    """Of two mentions 10 half-lives apart the earlier one stays, with its weight at its own instant."""
    made = now - 5000 * HOUR
    mention_long_ago(hourly, ("ada", "bob", made), at=now)
    second = mention_long_ago(hourly, ("ada", "bob", made + 10 * HOUR), at=now)
    run(conn, hourly, now + 5000 * HOUR)
    assert edges(conn, now) == {}

    withdrawal.retract(conn, second, read_parameters(conn), now=now + 5000 * HOUR)
    apply_all(hourly, now=now + 5000 * HOUR)

    assert edges(conn, made)["ada", "bob"].mention_count == 1
    assert edges(conn, made)["ada", "bob"].weight == pytest.approx(1.0)
    assert edges(conn, made + 800 * HOUR)["ada", "bob"].weight == pytest.approx(2.0**-800)
