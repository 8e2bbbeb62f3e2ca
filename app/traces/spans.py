"""From rows of the ledger to spans; pure.

    upload                   from its first byte until nothing is left to do
    ├─ receive               until it is sealed
    ├─ batch                 from when it is stored until it is merged
    │   ├─ count             one for each attempt, also for one whose process was killed
    │   ├─ merge             one for each shard; it links to the merge as a whole
    │   └─ summarize         links to the making of summaries as a whole
    └─ upload                a file of a zip, with all of the above

A merge as a whole has many parents, and so has a making of summaries. Each is a trace of its own, of one span, with a
link to each batch that it took something of.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from app.ledger import trace_context
from app.ledger.passes import ALL_SHARDS, Kind
from app.ledger.trace_context import TraceContext, derived

Facts = dict[str, str | int | float | bool]

_FAILED_STATES = frozenset({"failed", "aborted"})
_FAILED_OUTCOMES = frozenset({"failed", "lost"})


class SpanId(msgspec.Struct, frozen=True):
    """Which span: in which trace, and under which id."""

    trace_id: str
    span_id: str


class Span(msgspec.Struct, frozen=True):
    """One span, without anything of OpenTelemetry."""

    id: SpanId
    parent: str | None
    """The span's parent, in the same trace."""
    name: str
    began_at: datetime
    ended_at: datetime
    attributes: Facts
    process: str
    """Which process did it: as the ledger names it, `mentiongraph worker@host:pid`."""
    failed: str | None = None
    """Why it failed. None: it did not."""
    links: Sequence[SpanId] = ()
    entry: bool = False
    """Whether it answers a request of another service."""
    state: str | None = None
    """The sender's tracestate."""


class TracedUpload(msgspec.Struct, frozen=True):
    """An upload whose spans are to be made."""

    id: uuid.UUID
    parent_id: uuid.UUID | None
    traceparent: str
    traced_from: str | None
    tracestate: str | None
    state: str
    received_at: datetime
    sealed_at: datetime | None
    finished_at: datetime
    received_by: str
    size_bytes: int | None
    batch_count: int | None
    key_id: str | None
    problem: str | None
    """The type of the problem that ended it."""


class TracedBatch(msgspec.Struct, frozen=True):
    """One batch of such an upload."""

    id: int
    upload_id: uuid.UUID
    ordinal: int
    state: str
    staged_at: datetime
    applied_at: datetime | None
    size_bytes: int
    rows_received: int | None
    rows_rejected: int | None
    mentions: int | None


class Attempt(msgspec.Struct, frozen=True):
    """One claim of a batch."""

    batch_id: int
    claim: uuid.UUID
    number: int
    process: str
    began_at: datetime
    ended_at: datetime | None
    outcome: str | None


class Share(msgspec.Struct, frozen=True):
    """What one pass took of one batch: of one shard, for a merge."""

    batch_id: int
    kind: Kind
    shard: int
    began_at: datetime
    seconds: float
    """0 if the pass is not known any more."""
    process: str
    edges: int


class Pass(msgspec.Struct, frozen=True):
    """A merge or a making of summaries as a whole."""

    kind: Kind
    shard: int
    began_at: datetime
    seconds: float
    process: str
    batches: int


class Taken(msgspec.Struct, frozen=True):
    """A batch that a pass took: its upload, and that upload's trace."""

    batch_id: int
    upload_id: uuid.UUID
    traceparent: str


def of_uploads(uploads: Iterable[TracedUpload], graph: str) -> Iterator[Span]:
    """The spans of uploads and of receiving them."""
    for upload in uploads:
        trace = _context(upload.traceparent)
        if trace is None:
            continue
        own = span_of_upload(upload.id, upload.parent_id, trace)
        failed = (upload.problem or upload.state) if upload.state in _FAILED_STATES else None
        known: Facts = {"mentiongraph.graph": graph, "mentiongraph.upload.id": str(upload.id)}
        facts = {
            "mentiongraph.upload.state": upload.state,
            "mentiongraph.upload.bytes": upload.size_bytes,
            "mentiongraph.upload.batches": upload.batch_count,
            "mentiongraph.key.id": upload.key_id,
        }
        is_member = upload.parent_id is not None
        yield Span(
            own, trace.span_id if is_member else upload.traced_from, "upload",
            upload.received_at, max(upload.finished_at, upload.received_at), {**known, **_known(facts)},
            upload.received_by, failed, entry=not is_member, state=upload.tracestate,
        )  # fmt: skip
        received = max(upload.sealed_at or upload.finished_at, upload.received_at)
        yield Span(
            SpanId(trace.trace_id, derived("receive", upload.id)), own.span_id, "receive",
            upload.received_at, received, known, upload.received_by,
            failed if upload.sealed_at is None else None, state=upload.tracestate,
        )  # fmt: skip


def of_batches(
    batches: Iterable[TracedBatch],
    uploads: dict[uuid.UUID, TracedUpload],
    attempts: Sequence[Attempt],
    shares: Sequence[Share],
    graph: str,
) -> Iterator[Span]:
    """The spans of batches, and of what was done with them."""
    for batch in batches:
        upload = uploads[batch.upload_id]
        trace = _context(upload.traceparent)
        if trace is None:
            continue
        known: Facts = {
            "mentiongraph.graph": graph,
            "mentiongraph.upload.id": str(batch.upload_id),
            "mentiongraph.batch.id": batch.id,
        }
        facts = {
            "mentiongraph.batch.ordinal": batch.ordinal,
            "mentiongraph.batch.state": batch.state,
            "mentiongraph.batch.bytes": batch.size_bytes,
            "mentiongraph.batch.rows": batch.rows_received,
            "mentiongraph.batch.rejects": batch.rows_rejected,
            "mentiongraph.batch.mentions": batch.mentions,
        }
        own = span_of_batch(batch.id, batch.upload_id, trace)
        of_batch = [each for each in attempts if each.batch_id == batch.id]
        of_shares = [each for each in shares if each.batch_id == batch.id]
        children = [
            *(_count(each, own, known, upload) for each in of_batch),
            *(_share(each, own, known, upload) for each in of_shares),
        ]
        ended = [each.ended_at for each in children if each.name != Kind.SUMMARIZE]
        yield Span(
            own, span_of_upload(upload.id, upload.parent_id, trace).span_id, "batch",
            batch.staged_at, max([batch.staged_at, *ended]), {**known, **_known(facts)}, upload.received_by,
            "failed" if batch.state == "failed" else None, state=upload.tracestate,
        )  # fmt: skip
        yield from children


def of_pass(found: Pass, taken: Iterable[Taken], graph: str) -> Span:
    """The span of a pass as a whole, with a link to each batch that it took, if spans of that are sent."""
    links = list[SpanId]()
    for each in taken:
        trace = _context(each.traceparent)
        if trace is not None and trace.sampled:
            links.append(span_of_batch(each.batch_id, each.upload_id, trace))
    facts: Facts = {
        "mentiongraph.graph": graph,
        "mentiongraph.batches": found.batches,
        **({} if found.shard == ALL_SHARDS else {"mentiongraph.shard": found.shard}),
    }
    ended_at = found.began_at + timedelta(seconds=found.seconds)
    own = span_of_pass(found.kind, found.shard, found.began_at, found.process)
    return Span(own, None, found.kind.value, found.began_at, ended_at, facts, found.process, links=links)


def span_of_upload(upload_id: uuid.UUID, parent_id: uuid.UUID | None, trace: TraceContext) -> SpanId:
    """The span of an upload: that of its request, whose id the answer named. A file of a zip has one of its own."""
    return SpanId(trace.trace_id, trace.span_id if parent_id is None else derived("upload", upload_id))


def span_of_batch(batch_id: int, upload_id: uuid.UUID, trace: TraceContext) -> SpanId:
    return SpanId(trace.trace_id, derived("batch", upload_id, batch_id))


def span_of_pass(kind: Kind, shard: int, began_at: datetime, process: str) -> SpanId:
    of = (kind.value, shard, began_at.timestamp(), process)
    return SpanId(derived("trace", *of, size=16), derived("pass", *of))


def _count(attempt: Attempt, batch: SpanId, known: Facts, upload: TracedUpload) -> Span:
    outcome = attempt.outcome or "unknown"
    return Span(
        SpanId(batch.trace_id, trace_context.of_attempt(attempt.claim)), batch.span_id, "count",
        attempt.began_at, max(attempt.ended_at or attempt.began_at, attempt.began_at),
        {**known, "mentiongraph.attempt": attempt.number, "mentiongraph.outcome": outcome},
        attempt.process, outcome if outcome in _FAILED_OUTCOMES else None, state=upload.tracestate,
    )  # fmt: skip


def _share(share: Share, batch: SpanId, known: Facts, upload: TracedUpload) -> Span:
    whole = span_of_pass(share.kind, share.shard, share.began_at, share.process)
    own = derived(share.kind.value, batch.span_id, share.shard, share.began_at.timestamp())
    of_shard: Facts = {} if share.shard == ALL_SHARDS else {"mentiongraph.shard": share.shard}
    return Span(
        SpanId(batch.trace_id, own), batch.span_id, share.kind.value,
        share.began_at, share.began_at + timedelta(seconds=share.seconds),
        {**known, "mentiongraph.edges": share.edges, **of_shard},
        share.process, links=[whole] if share.process else [], state=upload.tracestate,
    )  # fmt: skip


def _context(traceparent: str) -> TraceContext | None:
    return trace_context.read(traceparent)


def _known(facts: dict[str, str | int | None]) -> Facts:
    return {name: value for name, value in facts.items() if value is not None}
