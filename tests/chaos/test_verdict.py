"""The verdict finds what it is there to find."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from app.proofs.audit import Audit
from app.settings import Settings
from ops.chaos.client import Attempt
from ops.chaos.files import File, Source, chunk_lines
from ops.chaos.report import Done, Outcome, Peace, failed_by_redis, table
from ops.chaos.traffic import Sent
from ops.chaos.verdict import Difference, Entry, Verdict, accounting, against_clients, compare, judge
from ops.oracle.account import Account, account
from tests.graphs import apply_all
from tests.uploading import upload

A, B, C = ("a", "b"), ("b", "c"), ("c", "a")
FILE = "0-0-900.csv"


def entry(state: str = "applied", number: int = 1, **more: object) -> Entry:
    zeros: dict[str, object] = dict.fromkeys(("received", "applied", "rejected", "mentions", "batches_left"), 0)
    given = {"id": str(UUID(int=number)), "filename": FILE, "state": state, "error": None, "seconds": 1.0}
    return msgspec.convert({**given, **zeros, **more}, Entry)


def sent(*may_end: str, number: int = 1) -> Sent:
    return Sent(FILE, upload=str(UUID(int=number)) if number else "", may_end=may_end or ("applied",))


def test_mentions_too_few_and_too_many_are_counted_apart() -> None:
    assert compare(Counter({A: 3, B: 1}), [(A, 3), (B, 1)]) == Difference(0, 0, 0)
    assert compare(Counter({A: 3, B: 1}), [(A, 1), (C, 2)]) == Difference(lost=3, doubled=2, edges=3)
    assert compare(Counter({A: 3}), [(A, 3), (A, 3)]) == Difference(0, doubled=3, edges=1)


@pytest.mark.parametrize(
    ("entries", "told", "complaint"),
    [
        ([entry()], sent(), ""),
        ([], sent(), "not in the ledger"),
        ([entry("aborted")], sent(), "which is aborted"),
        ([entry("cancelled")], sent(), "which is cancelled"),
        ([entry()], sent("cancelled"), "which is applied"),
        ([entry("cancelled")], sent("applied", "cancelled"), ""),
        ([entry("failed", error="no memory")], sent("failed"), "no memory"),
        ([entry("applying")], sent("applying"), "is applying"),
        ([entry(), entry(number=2)], sent(), "applied as"),
        ([entry("aborted"), entry(number=2)], sent(number=2), ""),
        ([entry(), entry(number=2)], sent(number=0), "applied 2 times"),
    ],
)
def test_what_clients_were_told_is_held_against_the_ledger(entries: list[Entry], told: Sent, complaint: str) -> None:
    found = against_clients(entries, [told])
    assert bool(found) is bool(complaint)
    assert complaint in "\n".join(found)


def test_rows_are_accounted_for() -> None:
    counted = Account(rows=3, accepted=2, mentions=2, rejects=[(3, "bad_timestamp")])
    assert accounting(entry(received=3, applied=2, rejected=1, mentions=2), counted) == []
    (complaint,) = accounting(entry(received=3, applied=1, rejected=1, mentions=2), counted)
    assert "rows applied are 1, should be 2" in complaint


def test_files_are_made_again_from_their_names() -> None:
    source = Source(5)
    first, second = source.next(), source.next()
    lines = chunk_lines(5, 0)
    assert [File.named(file.name).content(lines) for file, _ in (first, second)] == [first[1], second[1]]
    assert first[0].end == second[0].start


def test_a_graph_is_judged(conn: psycopg.Connection[TupleRow], settings: Settings, dsn: str, now: datetime) -> None:
    """A whole small run without a fault, then one with damage: the audit and the oracle say so, each for itself."""
    source = Source(5)
    file, content = source.next()
    told = Sent(file.name, upload=str(upload(settings, content, received_at=now, filename=file.name)))
    apply_all(settings, now=now)
    good = judge(dsn, 5, [told], made_to_fail=0)
    assert good.exact, good
    assert good.rows_applied == account(content).rows

    other = Sent(source.next()[0].name, upload=str(UUID(int=1)))
    assert judge(dsn, 5, [told, other], made_to_fail=0).difference.lost > 0

    conn.execute("UPDATE edges SET mention_count = mention_count + 3 WHERE mention_count = 1")
    conn.execute("DELETE FROM edges WHERE mention_count = 2")

    bad = judge(dsn, 5, [told], made_to_fail=0)
    assert not bad.exact
    assert not bad.audit.exact
    assert bad.difference.lost > 0
    assert bad.difference.doubled > bad.difference.lost


def outcome(**changes: Any) -> Outcome:
    """A run in which nothing went wrong."""
    numbers = {field.name: 0 for field in msgspec.structs.fields(Audit) if field.name != "weights"}
    good = Outcome(
        command="python -m ops.chaos",
        seconds=60.0,
        faults=[Done("kill API", "api-0", redis=False, began=10.0, ended=10.0, recovery=0.5)],
        left_out=["full disk"],
        redis_only=[],
        attempts=[],
        tried=10,
        waits=[Attempt(10.0, 11.0, FILE)],
        longest_stall=2.0,
        drained=True,
        verdict=Verdict(msgspec.convert(numbers, Audit), Difference(0, 0, 0), [], Counter(applied=5), 5000, 1.0),
        max_recovery=30.0,
    )
    return good._replace(**changes)


def test_a_run_fails_by_its_worst() -> None:
    good = outcome()
    assert good.passed
    assert not outcome(verdict=good.verdict._replace(difference=Difference(1, 0, 1))).passed
    assert not outcome(verdict=good.verdict._replace(complaints=["…"])).passed
    assert "| rows lost | 0 |" in table(good)
    assert "| kill API | 1 | 0.5 | 0 | 1.0 |" in table(good)
    fault = good.faults[0]
    assert not outcome(faults=[fault._replace(recovery=31.0)]).passed
    assert not outcome(faults=[fault._replace(recovery=None)]).passed
    assert "never" in table(outcome(faults=[fault._replace(recovery=None)]))
    assert not outcome(drained=False).passed
    failed = Attempt(11.0, 12.0, "503")
    assert outcome(attempts=[failed]).passed
    assert failed_by_redis(outcome(attempts=[failed], redis_only=[Peace(10.0, 20.0)])) == [failed]
    assert not outcome(attempts=[failed], redis_only=[Peace(10.0, 20.0)]).passed
