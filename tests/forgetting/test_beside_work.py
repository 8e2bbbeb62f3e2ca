"""Forgetting beside counts, merges and rebuilds, and after it was killed."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import polars as pl
import psycopg
import pytest
from click.testing import CliRunner

from app.errors import BadState
from app.forgetting import people
from app.graph import counting, kept_out, merging
from app.graph.kept_out import KeptOut
from app.graph.parameters import read_parameters
from app.graph.users import ForgottenMeanwhile, UserIds
from app.ledger import retention, transitions
from app.proofs import rebuild
from app.proofs.audit import audit
from app.settings import Settings
from app.store import locks, postgres
from ops.cli.forget import forget as command
from tests.conftest import until
from tests.forgetting.searching import places_of
from tests.forgetting.test_property import NOBODY
from tests.graphs import apply_all, edges
from tests.uploading import posts_csv, upload

Conn = psycopg.Connection[Any]
POSTS = [("@quilla77 @bob", "dee"), ("@bob", "quilla77"), ("@dee @quilla77", "bob"), ("@cy", "dee")]

WAITING = """
    SELECT count(*) FROM pg_locks
    WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Killed(Exception):
    """Somebody killed the process."""


def send(settings: Settings, now: datetime) -> None:
    upload(settings, posts_csv([(text, now, author) for text, author in POSTS]), received_at=now, again=True)


def forget(conn: Conn, settings: Settings, now: datetime, progress: people.Progress = people.silent) -> None:
    with postgres.connect(settings.database_url, role="guard") as guard:
        people.forget(
            guard,
            conn,
            "quilla77",
            read_parameters(conn),
            NOBODY,
            keep_out=False,
            clock=lambda: now,
            progress=progress,
        )


def state(conn: Conn) -> tuple[str, str | None, int]:
    (found,) = postgres.rows(conn, people.Erasure, people.STATE, {"id": 1, "part": int(locks.Part.ERASURE)})
    return found.state, found.step, found.step_done


def others(conn: Conn, now: datetime) -> dict[tuple[str, str], int]:
    return {pair: held.mention_count for pair, held in edges(conn, now).items()}


@pytest.mark.parametrize("killed_at", [("payloads", 2), ("deltas", 3), ("edges", 2), ("texts", 1)])
def test_whoever_is_killed_begins_again(
    conn: Conn, settings: Settings, now: datetime, killed_at: tuple[str, int]
) -> None:
    send(settings, now)
    apply_all(settings, now=now)
    send(settings, now)

    def kill(step: str, done: int, _total: int) -> None:
        if (step, done) == killed_at:
            raise Killed

    with pytest.raises(Killed):
        forget(conn, settings, now, kill)
    assert state(conn)[:2] == ("stopped", killed_at[0])
    assert audit(conn).exact
    apply_all(settings, now=now)  # counts leave the person out meanwhile
    assert audit(conn).exact

    forget(conn, settings, now)

    assert others(conn, now) == {("dee", "bob"): 2, ("bob", "dee"): 2, ("dee", "cy"): 2}
    assert places_of(conn, "quilla77") == []
    assert audit(conn).exact
    assert conn.execute("SELECT count(*), max(mentions) FROM erasures").fetchone() == (1, 3)
    assert state(conn)[0] == "finished"


def test_the_same_person_is_waited_for_and_not_forgotten_twice(conn: Conn, settings: Settings, now: datetime) -> None:
    send(settings, now)
    apply_all(settings, now=now)
    done = list[people.Forgotten]()

    def beside() -> None:
        with (
            postgres.connect(settings.database_url, role="test") as other,
            postgres.connect(settings.database_url, role="guard") as guard,
        ):
            parameters = read_parameters(other)
            done.append(people.forget(guard, other, "Quilla77", parameters, NOBODY, keep_out=True, clock=lambda: now))

    thread = Thread(target=beside)
    with postgres.connect(settings.database_url, role="test") as other:

        def wait(step: str, _done: int, _total: int) -> None:
            if step == "edges" and not thread.ident:
                thread.start()
                until(lambda: other.execute(WAITING).fetchone() == (1,), within=30, what="the second one waits")
                assert state(other)[0] == "running"

        forget(conn, settings, now, wait)
    thread.join(timeout=30)

    (second,) = done
    assert (second.mentions, second.keep_out) == (3, True)
    assert conn.execute("SELECT count(*), max(mentions), bool_and(keep_out) FROM erasures").fetchone() == (1, 3, True)
    assert places_of(conn, "quilla77") == []


def test_a_count_that_began_before_loses_its_claim(conn: Conn, settings: Settings, now: datetime) -> None:
    send(settings, now)
    parameters = read_parameters(conn)
    user_ids = UserIds(bits=parameters.handle_bits, memory=10)
    (batch_id,) = conn.execute("SELECT id FROM batches").fetchone() or (0,)
    claim = transitions.claim(conn, batch_id, settings=settings, now=now)
    assert claim is not None

    forget(conn, settings, now)

    with postgres.connect(settings.database_url, role="test") as worker:
        # The person is no longer left out, and the count knows the old rows.
        assert counting.count_batch(worker, claim, parameters, user_ids, now=now) is None
    apply_all(settings, now=now)
    assert others(conn, now) == {("dee", "bob"): 1, ("bob", "dee"): 1, ("dee", "cy"): 1}
    assert audit(conn).exact


def test_who_asked_before_adds_no_user_after(conn: Conn, settings: Settings, now: datetime) -> None:
    users = pl.DataFrame({"handle": ["quilla77"], "spelling": ["Quilla77"]})
    user_ids = UserIds(bits=64, memory=10)
    forget(conn, settings, now)
    with pytest.raises(ForgottenMeanwhile):
        user_ids.of(conn, users, erasures=0)
    assert places_of(conn, "quilla77") == []
    (first,) = user_ids.of(conn, users).tolist()
    forget(conn, settings, now)
    # What was remembered is forgotten with the person, and the next one with the handle has the next id.
    (second,) = user_ids.of(conn, users).tolist()
    assert first != second
    assert conn.execute("SELECT id, handle FROM users ORDER BY handle").fetchall() == [
        (first, ""),
        (second, "quilla77"),
    ]


def test_people_who_are_forgotten_one_after_another_fail_no_count(
    conn: Conn, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each was forgotten in the moment in which the count asked for the ids of its users."""
    send(settings, now)
    parameters, read, looks = read_parameters(conn), kept_out.read, [0, 1]
    (batch_id,) = conn.execute("SELECT id FROM batches").fetchone() or (0,)
    for number in range(2):
        conn.execute("INSERT INTO erasures (began_at, finished_at) VALUES (%s, %s)", [now, now])
        assert read(conn).erasures == number + 1

    def late(conn: Conn) -> KeptOut:
        found = read(conn)
        return msgspec.structs.replace(found, erasures=looks.pop(0)) if looks else found

    monkeypatch.setattr(kept_out, "read", late)
    claim = transitions.claim(conn, batch_id, settings=settings, now=now)
    assert claim is not None
    user_ids = UserIds(bits=parameters.handle_bits, memory=10)

    assert counting.count_batch(conn, claim, parameters, user_ids, now=now) is not None


def test_no_rebuild_runs_beside(conn: Conn, settings: Settings, now: datetime) -> None:
    with (
        postgres.connect(settings.database_url, role="test") as guard,
        rebuild.alone(guard, conn),
        pytest.raises(BadState, match="a rebuild is running"),
    ):
        forget(conn, settings, now)


def test_it_waits_for_a_merge_and_takes_out_what_was_merged(conn: Conn, settings: Settings, now: datetime) -> None:
    send(settings, now)
    parameters = read_parameters(conn)
    apply_all(settings, now=now)
    send(settings, now)
    ended = Event()
    with postgres.connect(settings.database_url, role="test") as worker, worker.transaction():
        for shard in range(parameters.shards):
            locks.take_shard(worker, shard)
        thread = Thread(target=lambda: (_forget_alone(settings, now), ended.set()))
        thread.start()
        until(lambda: conn.execute(WAITING).fetchone() == (1,), within=30, what="it waits for a shard")
        assert not ended.is_set()
    thread.join(timeout=30)
    for shard in range(parameters.shards):
        merging.merge_shard(conn, shard, parameters, most_edges=100, now=now)
    apply_all(settings, now=now)
    assert others(conn, now) == {("dee", "bob"): 2, ("bob", "dee"): 2, ("dee", "cy"): 2}
    assert audit(conn).exact


def _forget_alone(settings: Settings, now: datetime) -> None:
    with postgres.connect(settings.database_url, role="test") as conn:
        forget(conn, settings, now)


def test_mentions_of_purged_batches_go_and_the_audit_stays_exact(conn: Conn, settings: Settings, now: datetime) -> None:
    send(settings, now)
    apply_all(settings, now=now)
    later = now + timedelta(days=400)
    retention.purge(conn, settings=settings, now=later)

    forget(conn, settings, later)

    assert others(conn, now) == {("dee", "bob"): 1, ("bob", "dee"): 1, ("dee", "cy"): 1}
    assert conn.execute("SELECT mentions, mentions_purged FROM erasures").fetchone() == (0, 3)
    assert audit(conn).exact


def test_the_command_forgets(
    conn: Conn, settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    send(settings, now)
    apply_all(settings, now=now)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MENTIONGRAPH_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("MENTIONGRAPH_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("MENTIONGRAPH_NAMESPACE", settings.namespace)
    logs = tmp_path / ".mentiongraph" / "logs"  # of a stack that the command does not work with
    logs.mkdir(parents=True)
    (logs.parent / "lock").touch()
    (logs / "api.log").write_text("@quilla77")

    preview = CliRunner().invoke(command, ["--dry-run", "--json", "@Quilla77"])
    assert json.loads(preview.stdout)["mentions"] == 3, preview.output
    assert places_of(conn, "quilla77")
    (before,) = conn.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone() or ("",)
    done = CliRunner().invoke(command, ["--yes", "--keep-out", "--json", "@Quilla77"])

    assert json.loads(done.stdout)["payloads"] == 1, done.output
    steps = ("payloads", "deltas", "edges", "texts", "cached answers", "room of what went", "logs")
    *said, last = done.stderr.splitlines()
    assert said == [f"forget: {step}" for step in steps]
    assert "Only the graph default was asked" in last
    assert json.loads(done.stdout)["logs_masked"] is None
    assert (logs / "api.log").read_text() == "@quilla77"
    log, *_ = json.loads(done.stdout)["still_held"]
    (until_there,) = re.findall(r"before ([0-9A-F]+/[0-9A-F]+) ", log)
    later = conn.execute("SELECT %s::pg_lsn > %s::pg_lsn", [until_there, before]).fetchone()
    assert later == (True,), "the log holds the person until after the command"
    assert places_of(conn, "quilla77") == []
    assert CliRunner().invoke(command, ["--let-in", "quilla77"]).exit_code == 0
