"""Every statement file is prepared against the migrated schema, has the columns its reader wants, and is used."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg import ClientCursor
from psycopg.pq import ExecStatus
from psycopg.rows import TupleRow

import sql
from app.graph import decay, decay_ranges, merging, withdrawal
from app.graph import users as user_ids
from app.graph.parameters import GraphParameters
from app.ledger import entries, events, fleet, idempotency, limits, periods, retention, states, transitions
from app.proofs import audit, rebuild
from app.reads import edges, history, networks, rankings, users
from app.reads.exports.selection import Selection
from app.summaries import days, summarizing, user_totals

ROOT = Path(sql.__file__).parent.parent

# Statements that are no ordinary query: COPY takes no parameters, so it cannot be prepared.
COPIES = {"exports/edges", "exports/ties", "exports/users"}

READERS: dict[str, type[msgspec.Struct]] = {
    "archive/take_back": merging._EdgeRow,
    "batches/claim": transitions.Claim,
    "batches/expire": transitions.BatchOfUpload,
    "batches/failed": transitions.FailedBatch,
    "batches/of_upload": entries.Batch,
    "batches/replay": transitions.BatchOfUpload,
    "batches/ring_due": states.Ring,
    "decay/archive": decay._Key,
    "decay/heap": decay_ranges._Heap,
    "decay/look": decay._Stretch,
    "decay/preview": decay.Preview,
    "decay/totals": decay.Totals,
    "decay/unfinished": decay.Run,
    "deltas/pending_shards": states.Ring,
    "deltas/history": history._Delta,
    "idempotency/get": idempotency.Kept,
    "ledger/audit_deltas": audit._Delta,
    "ledger/audit_sample": audit._Edge,
    "ledger/audit_users": audit._User,
    "ledger_events/between": events.Event,
    "ledger_events/horizon": events._Horizon,
    "periods/begin": periods.Period,
    "periods/latest": periods.Latest,
    "processes/seen": fleet.Seen,
    "rankings/edges": rankings.RankedEdge,
    "rankings/staleness": rankings.Staleness,
    "rankings/trending": rankings.TrendingUser,
    "rankings/users": rankings.RankedUser,
    "rebuild/batches": rebuild.Batch,
    "rebuild/compare": rebuild.Comparison,
    "rebuild/differences": rebuild.Difference,
    "rebuild/moved_deltas": rebuild._Moved,
    "rebuild/payload": rebuild._Payload,
    "retention/preview": retention.Purged,
    "summaries/payloads": summarizing._Payload,
    "summaries/state": summarizing.State,
    "summaries/take": summarizing._Taken,
    "top_users/held": user_totals._Held,
    "day_runs/full_level": days._Full,
    "uploads/format": entries._Format,
    "batches/rejected_so_far": limits._SoFar,
    "deltas/take": merging._DeltaRow,
    "deltas/withdraw": withdrawal._Delta,
    "uploads/state": transitions.LockedUpload,
    "edges/get": edges.Edge,
    "edges/held_incoming": edges.Mention,
    "edges/held_outgoing": edges.Mention,
    "edges/incoming": edges.Mention,
    "edges/outgoing": edges.Mention,
    "edges/reciprocal": edges.Tie,
    "edges/around": networks._Neighbour,
    "edges/neighbours": networks._Beyond,
    "edges/among": networks._Among,
    "edges/crowded": networks._Crowded,
    "edges/at_ends": networks._AtEnds,
    "edges/mentioned_by": networks._Step,
    "edges/mentioning": networks._Step,
    "graph/parameters": GraphParameters,
    "ledger/audit": audit.Audit,
    "rejects/of_upload": entries.Reject,
    "uploads/entries": entries.Entry,
    "users/get": users.User,
    "users/by_prefix": users.User,
    "users/not_ours": user_ids._NotOurs,
    "users/totals": users.Totals,
}


def numbered(statement: str) -> bytes:
    """psycopg's %(name)s as PostgreSQL's $1, $2, …"""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return re.sub(r"%\((\w+)\)s", number, statement).replace("%%", "%").encode()


@pytest.mark.parametrize("name", [name for name in sql.names() if name not in COPIES])
def test_statement_is_valid_on_the_migrated_schema(name: str, conn: psycopg.Connection[TupleRow]) -> None:
    prepared = conn.pgconn.prepare(b"", numbered(sql.query(name)))

    assert prepared.status == ExecStatus.COMMAND_OK, prepared.error_message.decode()


@pytest.mark.parametrize("name", sorted(READERS))
def test_statement_answers_the_columns_its_reader_wants(name: str, conn: psycopg.Connection[TupleRow]) -> None:
    conn.pgconn.prepare(b"", numbered(sql.query(name)))
    described = conn.pgconn.describe_prepared(b"")
    columns = [(described.fname(index) or b"").decode() for index in range(described.nfields)]

    wanted = {field.name: field.required for field in msgspec.structs.fields(READERS[name])}

    assert set(columns) <= set(wanted)
    assert {field for field, required in wanted.items() if required} <= set(columns)


@pytest.mark.parametrize("name", sorted(COPIES))
def test_copy_runs(name: str, dsn: str, now: datetime) -> None:
    params = Selection(as_of=now, around=(1,)).parameters(1.0) | {"spelled": True}
    with (
        psycopg.connect(dsn, cursor_factory=ClientCursor) as conn,
        conn.cursor() as cursor,
        cursor.copy(sql.query(name), params) as copy,
    ):
        assert list(copy) == []


def test_every_statement_is_used() -> None:
    sources = [*ROOT.glob("app/**/*.py"), *ROOT.glob("workers/**/*.py"), *ROOT.glob("ops/**/*.py")]
    used = set[str]()
    for source in sources:
        used.update(re.findall(r'query\(\s*"([\w/]+)"', source.read_text(encoding="utf-8")))

    assert set(sql.names()) - used == set()


def test_no_sql_in_python() -> None:
    suspicious = re.compile(r'"\s*(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE|ALTER TABLE)\b')
    found = [
        f"{source.relative_to(ROOT)}: {line.strip()}"
        for folder in ("app", "workers")
        for source in ROOT.glob(f"{folder}/**/*.py")
        for line in source.read_text(encoding="utf-8").splitlines()
        if suspicious.search(line)
    ]

    assert found == []


@pytest.mark.parametrize("name", sql.names())
def test_statement_says_what_it_is_for(name: str) -> None:
    text = (sql.ROOT / f"{name}.sql").read_text(encoding="utf-8")

    assert text.startswith("-- ")
