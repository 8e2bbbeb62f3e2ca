"""Every statement file is prepared against the migrated schema, has the columns its reader wants, and is used."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import itertools
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
from app.control import audit_events, graphs, keys
from app.forgetting import payloads, people, remains, shares, texts
from app.graph import decay, decay_ranges, handover, kept_out, merging, post_ids, withdrawal
from app.graph import users as user_ids
from app.graph.parameters import GraphParameters
from app.ledger import (
    bells,
    entries,
    events,
    fleet,
    idempotency,
    limits,
    periods,
    retention,
    sealing,
    states,
    sweeping,
    totals,
    transitions,
)
from app.proofs import audit, rebuild
from app.reads import edges, history, networks, rankings, sizes, users
from app.reads.exports.selection import Selection
from app.reads.metrics import ledger as ledger_metrics
from app.reads.metrics import servers as server_metrics
from app.store import migrations
from app.summaries import days, summarizing, user_totals

ROOT = Path(sql.__file__).parent.parent

# Statements that are no ordinary query: COPY takes no parameters, so it cannot be prepared.
COPIES = {
    "reads/comparing/ties",
    "reads/comparing/users",
    "reads/exports/snapshot/edges",
    "reads/exports/snapshot/users",
}

READERS: dict[str, type[msgspec.Struct]] = {
    "control/graphs/change": graphs.Graph,
    "control/graphs/every": graphs.Graph,
    "control/graphs/find": graphs.Graph,
    "control/graphs/insert": graphs.Graph,
    "control/graphs/rename": graphs.Graph,
    "control/graphs/set_dropping": graphs.Graph,
    "control/graphs/set_ready": graphs.Graph,
    "control/keys/lock": keys.Key,
    "control/keys/looked_up": keys._Looked,
    "control/keys/page": keys.Key,
    "forgetting/payloads/last": payloads._Last,
    "forgetting/payloads/lock": payloads._Batch,
    "forgetting/payloads/next": payloads._Next,
    "forgetting/people/edges": people._Edges,
    "forgetting/people/finish": people.Forgotten,
    "forgetting/remains/blocks": remains._Block,
    "forgetting/remains/take_archived": remains._Edge,
    "forgetting/remains/take_edges": remains._Edge,
    "forgetting/shares/lock": shares._Delta,
    "forgetting/shares/page": shares._Page,
    "forgetting/texts/answers": texts._Answer,
    "forgetting/texts/batches": texts._Batch,
    "forgetting/texts/events": texts._Event,
    "forgetting/texts/rejects": texts._Reject,
    "forgetting/texts/uploads": texts._Upload,
    "graph/kept_out/get": kept_out.KeptOut,
    "ledger/bells/ring_batches": bells._Rung,
    "ledger/totals/read": totals.Total,
    "reads/metrics/ledger/batches": ledger_metrics.Batches,
    "reads/metrics/ledger/tables": ledger_metrics.Table,
    "reads/metrics/ledger/uploads": ledger_metrics.Uploads,
    "reads/metrics/servers/connections": server_metrics.Connections,
    "reads/metrics/servers/server": server_metrics.Server,
    "reads/metrics/servers/standbys": server_metrics.Standby,
    "ledger/sweeping/inserted": sweeping._Inserted,
    "reads/sizes/databases": sizes.DatabaseSize,
    "reads/sizes/get": sizes.Sizes,
    "control/audit_events/page": audit_events.AuditEvent,
    "graph/merging/take_back": merging._EdgeRow,
    "ledger/transitions/claim": transitions.Claim,
    "ledger/sweeping/expire_batches": transitions.BatchOfUpload,
    "ledger/transitions/failed_batches": transitions.FailedBatch,
    "ledger/entries/batches": entries.Batch,
    "ledger/transitions/replay": transitions.BatchOfUpload,
    "ledger/sweeping/ring_due": states.Ring,
    "graph/decay/archive": decay._Key,
    "graph/decay_ranges/heap": decay_ranges._Heap,
    "graph/decay/look": decay._Stretch,
    "graph/decay/preview": decay.Preview,
    "graph/decay/totals": decay.Totals,
    "graph/decay/unfinished": decay.Run,
    "ledger/sweeping/pending_shards": states.Ring,
    "reads/history/deltas": history._Delta,
    "ledger/idempotency/get": idempotency.Kept,
    "proofs/audit/deltas": audit._Delta,
    "proofs/audit/sample": audit._Edge,
    "proofs/audit/users": audit._User,
    "ledger/events/between": events.Event,
    "ledger/events/horizon": events._Horizon,
    "ledger/periods/begin": periods.Period,
    "ledger/periods/latest": periods.Latest,
    "ledger/fleet/seen": fleet.Seen,
    "reads/rankings/edges": rankings.RankedEdge,
    "reads/rankings/staleness": rankings.Staleness,
    "reads/rankings/trending": rankings.TrendingUser,
    "reads/rankings/users": rankings.RankedUser,
    "proofs/rebuild/batches": rebuild.Batch,
    "proofs/rebuild/compare": rebuild.Comparison,
    "proofs/rebuild/differences": rebuild.Difference,
    "proofs/rebuild/moved_deltas": rebuild._Moved,
    "proofs/rebuild/payload": rebuild._Payload,
    "ledger/retention/preview": retention.Purged,
    "store/migrations/oldest_releases": migrations._OldestRelease,
    "summaries/summarizing/payloads": summarizing._Payload,
    "summaries/summarizing/state": summarizing.State,
    "summaries/summarizing/take": summarizing._Taken,
    "summaries/user_totals/held": user_totals._Held,
    "summaries/days/full_level": days._Full,
    "ledger/entries/format": entries._Format,
    "ledger/limits/rejected_so_far": limits._SoFar,
    "graph/handover/holders": handover._Holder,
    "graph/handover/payload": handover._Payload,
    "ledger/sealing/earlier_upload": sealing._Earlier,
    "ledger/sealing/earlier_zip": sealing._Earlier,
    "ledger/transitions/commonest_reject": transitions._Commonest,
    "ledger/transitions/finish_uploads": transitions._Finished,
    "graph/merging/take": merging._DeltaRow,
    "graph/post_ids/owned_by_others": post_ids.Elsewhere,
    "graph/withdrawal/withdraw_deltas": withdrawal._Delta,
    "ledger/transitions/lock_upload": transitions.LockedUpload,
    "reads/edges/get": edges.Edge,
    "reads/edges/held_incoming": edges.Mention,
    "reads/edges/held_outgoing": edges.Mention,
    "reads/edges/mentions": edges.Mention,
    "reads/edges/reciprocal": edges.Tie,
    "reads/networks/around": networks._Neighbour,
    "reads/networks/neighbours": networks._Neighbour,
    "reads/networks/among": networks._Among,
    "reads/networks/crowded": networks._Crowded,
    "reads/networks/at_ends": networks._AtEnds,
    "reads/networks/step": networks._Step,
    "graph/parameters/get": GraphParameters,
    "proofs/audit/audit": audit.Audit,
    "ledger/entries/rejects": entries.Reject,
    "ledger/entries/rejects_of": entries.RejectsKept,
    "ledger/entries/entries": entries.Entry,
    "reads/users/get": users.User,
    "reads/users/by_prefix": users.User,
    "graph/users/not_ours": user_ids._NotOurs,
    "reads/users/totals": users.Totals,
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


OWNERS = {"ops/cli/backup": "ops/backup", "ops/demo/show": "ops/demo"}
"""Modules outside of app/ that own statements. Benchmarks may time the statements of others."""


def test_a_folder_of_statements_has_one_owner() -> None:
    strangers = [
        f"{source.relative_to(ROOT)} runs {name}"
        for folder in ("app", "workers", "ops")
        for source in ROOT.glob(f"{folder}/**/*.py")
        if "bench" not in source.parts
        for name in re.findall(r'\bsql\.query\(\s*"([\w/]+)"', source.read_text(encoding="utf-8"))
        if str(Path(name).parent) != _folder_of(source)
    ]

    assert strangers == []


def _folder_of(source: Path) -> str:
    module = str(source.relative_to(ROOT).with_suffix(""))
    return OWNERS.get(module, module.removeprefix("app/"))


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
def test_statement_says_purpose_locks_and_rows(name: str) -> None:
    text = (sql.ROOT / f"{name}.sql").read_text(encoding="utf-8")
    head = " ".join(line.removeprefix("-- ") for line in itertools.takewhile(_is_comment, text.splitlines()))

    assert re.fullmatch(r"[^ ].*\. Locks: .+\. Rows: .+\.", head), head


@pytest.mark.parametrize("name", sql.names())
def test_a_statement_that_says_it_answers_no_rows_has_none(name: str) -> None:
    text = (sql.ROOT / f"{name}.sql").read_text(encoding="utf-8")
    statement = sql.query(name)
    # A common table expression ends before an empty line; what follows says what the statement answers.
    last = re.split(r"\n\n(?=[A-Z])", statement)[-1]
    writes = last.startswith(("INSERT", "UPDATE", "DELETE"))

    if writes:
        says_none = re.search(r"Rows:\s+(-- )?none", text) is not None
        assert says_none == ("RETURNING" not in last)


def _is_comment(line: str) -> bool:
    return line.startswith("--")
