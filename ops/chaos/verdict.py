"""What came of a run: graph and ledger against the slow oracle, and against what the clients were told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from app.proofs.audit import Audit, audit_with_weights
from app.store import postgres
from ops.chaos import statements
from ops.chaos.files import File, chunk_lines
from ops.chaos.traffic import Sent
from ops.oracle.account import Account, account

Edge = tuple[str, str]
SAMPLE = 500
"""Edges whose weights are counted anew by the audit."""
READ_AT_ONCE = 20_000


class Entry(msgspec.Struct, frozen=True):
    """An upload as the ledger has it at the end."""

    id: str
    filename: str
    state: str
    error: str | None
    seconds: float | None
    received: int
    applied: int
    rejected: int
    mentions: int
    batches_left: int


class Difference(NamedTuple):
    """Of mentions: too few in the graph, too many in it. Of edges: how many are not as they should be."""

    lost: int
    doubled: int
    edges: int


class Verdict(NamedTuple):
    """All that was compared. `complaints`: in which way ledger, oracle and clients disagree, one line each."""

    audit: Audit
    difference: Difference
    complaints: list[str]
    uploads: Counter[str]
    rows_applied: int
    longest_upload: float
    rows_by_graph: Mapping[str, int] = MappingProxyType({})

    @property
    def exact(self) -> bool:
        return self.audit.exact and not self.complaints and not self.difference.edges


def judge_all(dsns: Mapping[str, str], seed: int, sent: Sequence[Sent], *, made_to_fail: int) -> Verdict:
    """`judge` of each graph by its own uploads, together. `dsns`: of the graphs, by name."""
    each = {
        graph: judge(dsn, seed, [one for one in sent if one.graph == graph], made_to_fail=made_to_fail)
        for graph, dsn in dsns.items()
    }
    found = list(each.values())
    audits = [one.audit for one in found]
    return Verdict(
        next((audit for audit in audits if not audit.exact), audits[0]),
        Difference(*(sum(numbers) for numbers in zip(*(one.difference for one in found), strict=True))),
        [f"{graph}: {line}" for graph, one in each.items() for line in one.complaints],
        sum((one.uploads for one in found), Counter[str]()),
        sum(one.rows_applied for one in found),
        max(one.longest_upload for one in found),
        {graph: one.rows_applied for graph, one in each.items()},
    )


def judge(dsn: str, seed: int, sent: Sequence[Sent], *, made_to_fail: int) -> Verdict:
    """Compare everything, on a cluster that has come to rest. `made_to_fail`: batches that a fault let fail."""
    with statements.connect(dsn) as conn:
        entries = [msgspec.convert(row, Entry) for row in statements.rows(conn, "uploads")]
        (failed,) = statements.rows(conn, "batches_failed")
        counts, complaints = count(seed, entries)
        for name in missing(entries, sent):
            file = File.named(name)
            for edge, seen in account(file.content(chunk_lines(seed, file.chunk))).edges.items():
                counts[edge] += seen.mention_count
        found = (
            ((row["source"] or "?", row["target"] or "?"), row["mention_count"]) for row in _streamed(conn, "edges")
        )
        difference = compare(counts, found)
    with postgres.connect(dsn, role="chaos") as conn:
        audited = audit_with_weights(conn, sample=SAMPLE, now=postgres.clock())
    complaints += against_clients(entries, sent)
    if failed["times"] > made_to_fail:
        complaints.append(f"{failed['times']} times a batch failed for good, {made_to_fail} of which were asked for")
    return Verdict(
        audited,
        difference,
        complaints,
        Counter(entry.state for entry in entries),
        sum(entry.applied + entry.rejected for entry in entries if entry.state == "applied"),
        max((entry.seconds or 0.0 for entry in entries if entry.state == "applied"), default=0.0),
    )


def count(seed: int, entries: Iterable[Entry]) -> tuple[Counter[Edge], list[str]]:
    """The mentions of each edge that the applied files hold, by the oracle, and where the ledger's numbers of rows are
    not the oracle's."""
    chunks: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.state == "applied":
            chunks[File.named(entry.filename).chunk].append(entry)
    total: Counter[Edge] = Counter()
    complaints: list[str] = []
    for chunk, applied in sorted(chunks.items()):
        lines = chunk_lines(seed, chunk)
        for entry in applied:
            counted = account(File.named(entry.filename).content(lines))
            for edge, seen in counted.edges.items():
                total[edge] += seen.mention_count
            complaints += accounting(entry, counted)
    return total, complaints


def missing(entries: Iterable[Entry], sent: Iterable[Sent]) -> list[str]:
    """Files that were accepted, and never to be taken out again, but are not applied: they should be in the graph."""
    applied = {entry.id for entry in entries if entry.state == "applied"}
    return [each.file for each in sent if each.upload and each.may_end == ("applied",) and each.upload not in applied]


def accounting(entry: Entry, counted: Account) -> list[str]:
    """Where an applied upload's numbers are not the oracle's."""
    pairs = {
        "rows received": (entry.received, counted.rows),
        "rows applied": (entry.applied, counted.accepted),
        "rows rejected": (entry.rejected, counted.rejected),
        "mentions": (entry.mentions, counted.mentions),
        "batches not applied": (entry.batches_left, 0),
    }
    return [
        f"upload {entry.id} ({entry.filename}): {name} are {found}, should be {wanted}"
        for name, (found, wanted) in pairs.items()
        if found != wanted
    ]


def compare(wanted: Counter[Edge], found: Iterable[tuple[Edge, int]]) -> Difference:
    """The graph against what should be in it. Uses `wanted` up."""
    for edge, mentions in found:
        wanted[edge] -= mentions
    lost = sum(left for left in wanted.values() if left > 0)
    doubled = -sum(left for left in wanted.values() if left < 0)
    return Difference(lost, doubled, sum(left != 0 for left in wanted.values()))


def against_clients(entries: Iterable[Entry], sent: Iterable[Sent]) -> list[str]:
    """Where what clients were told is not what the ledger says."""
    by_id = {entry.id: entry for entry in entries}
    by_file: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in by_id.values():
        by_file[entry.filename].append(entry)
    complaints: list[str] = []
    for each in sent:
        if each.refused:
            complaints.append(f"{each.file}: {each.refused}")
        if each.upload:
            complaints += _accepted(each, by_id, by_file[each.file])
        elif (applied := sum(entry.state == "applied" for entry in by_file[each.file])) > 1:
            complaints.append(f"{each.file}: applied {applied} times")
    complaints += [
        f"upload {entry.id} ({entry.filename}) is {entry.state}: {entry.error}"
        for entry in by_id.values()
        if entry.state not in {"applied", "aborted", "duplicate", "cancelled", "retracted"}
    ]
    return complaints


def _accepted(sent: Sent, by_id: Mapping[str, Entry], of_file: Sequence[Entry]) -> list[str]:
    entry = by_id.get(sent.upload)
    state = entry.state if entry else "not in the ledger"
    complaints: list[str] = []
    if state not in sent.may_end:
        complaints.append(f"{sent.file}: accepted as upload {sent.upload}, which is {state}, not {sent.may_end}")
    others = [each.id for each in of_file if each.state == "applied" and each.id != sent.upload]
    if others:
        complaints.append(f"{sent.file}: accepted as upload {sent.upload}, and applied as {', '.join(others)} as well")
    return complaints


def _streamed(conn: Any, name: str) -> Iterable[dict[str, Any]]:  # noqa: ANN401 (a connection of any row)
    with conn.transaction(), conn.cursor(f"chaos_{name}", row_factory=statements.dict_row) as cursor:
        cursor.itersize = READ_AT_ONCE
        yield from cursor.execute(statements.statement(name))
