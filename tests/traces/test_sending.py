"""Which spans are sent, page by page, and what is noted of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest

import sql
from app.ledger.states import UploadState
from app.settings import Settings
from app.store import postgres
from app.traces import sending
from app.traces.spans import Span
from tests.entering import insert_upload
from tests.graphs import apply_all
from tests.uploading import posts_csv, upload

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-%s-01"


class Collector:
    """Keeps spans; or refuses them."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.spans: list[Span] = []

    def __call__(self, spans: Sequence[Span]) -> bool:
        self.spans += spans if self.takes else []
        return self.takes


@pytest.fixture
def applied(settings: Settings, conn: psycopg.Connection[Any], now: datetime) -> Settings:
    """Two uploads of some batches are applied and are to be traced."""
    small = msgspec.structs.replace(settings, batch_bytes=2_000)
    for number in range(2):
        posts = [(f"hi @b{each} {'x' * 90}", now, f"a{number}") for each in range(60)]
        upload(small, posts_csv(posts), received_at=now)
    conn.execute(
        "UPDATE uploads SET traceparent = format(%s, right(replace(id::text, '-', ''), 16)), trace_due = true",
        [TRACEPARENT],
    )
    conn.commit()
    apply_all(small, now=now)
    return small


def send(settings: Settings, collector: Collector, now: datetime) -> int:
    with postgres.connect(settings.database_url, role="test") as conn:
        return sending.send(conn, collector, graph="default", now=now)


def test_pages_leave_nothing_out_and_repeat_nothing(
    applied: Settings, conn: psycopg.Connection[Any], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, whole, paged = now + timedelta(minutes=10), Collector(), Collector()
    assert send(applied, whole, later) == 2
    assert send(applied, Collector(), later) == 0  # they were sent

    conn.execute("UPDATE uploads SET trace_due = true")
    conn.execute("UPDATE passes SET traced = false")
    conn.commit()
    monkeypatch.setattr(sending, "BATCHES_AT_ONCE", 1)
    monkeypatch.setattr(sending, "SPANS_AT_ONCE", 3)
    assert send(applied, paged, later) == 2

    ids = [span.id for span in paged.spans]
    assert len(set(ids)) == len(ids)
    assert set(ids) == {span.id for span in whole.spans}
    assert len([span for span in whole.spans if span.name == "batch"]) > 4


def test_what_the_collector_refuses_stays_due(applied: Settings, conn: psycopg.Connection[Any], now: datetime) -> None:
    later = now + timedelta(minutes=10)
    assert send(applied, Collector(takes=False), later) == 0
    assert conn.execute("SELECT count(*) FROM uploads WHERE trace_due").fetchone() == (2,)
    assert conn.execute("SELECT count(*) FROM passes WHERE traced").fetchone() == (0,)
    conn.commit()
    assert send(applied, Collector(), later) == 2


def test_what_was_finished_long_ago_is_not_sent(applied: Settings, now: datetime) -> None:
    assert send(applied, Collector(), now + timedelta(days=2)) == 0


def test_an_upload_is_noted_as_it_was_sent_and_no_other_one(conn: psycopg.Connection[Any], now: datetime) -> None:
    sent, replayed, other = (insert_upload(conn, UploadState.APPLIED, now) for _ in range(3))
    conn.execute("UPDATE uploads SET trace_due = true")
    later = now + timedelta(minutes=1)
    conn.execute("UPDATE uploads SET finished_at = %s WHERE id = %s", [later, replayed])

    conn.execute(sql.query("traces/sending/set_sent"), {"ids": [sent, replayed], "finished_at": [now, now]})

    due = conn.execute("SELECT id FROM uploads WHERE trace_due").fetchall()
    assert {upload for (upload,) in due} == {replayed, other}


def test_a_pass_is_noted_as_sent_and_no_other_one(conn: psycopg.Connection[Any], now: datetime) -> None:
    later = now + timedelta(minutes=1)
    passes = [(now, "merge", 1), (later, "merge", 1), (now, "summarize", 1), (now, "merge", 2)]
    for each in passes:
        conn.execute("INSERT INTO passes VALUES (%s, %s, %s, 1.0, 'test', '{}')", each)

    sent = {"began_at": [now], "kinds": ["merge"], "shards": [1]}
    conn.execute(sql.query("traces/sending/set_passes_sent"), sent)

    due = conn.execute("SELECT began_at, kind, shard FROM passes WHERE NOT traced").fetchall()
    assert set(due) == set(passes[1:])
