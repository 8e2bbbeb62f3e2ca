"""The table of all metrics: a row each. The reference page, the exposition and the tests are made from it.

Most metrics are read from the ledger, so they survive whatever is killed. Every API tells the same of them: whoever
asks several APIs takes the maximum, not the sum. The others are what one process alone knows, and begin anew with it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

PREFIX = "mentiongraph_"


class Kind(StrEnum):
    """The kinds of metrics, as Prometheus knows them."""

    COUNTER = "counter"
    """Never falls, but for the restart of a process that counts by itself."""
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Source(StrEnum):
    """Where a metric comes from, and so which process serves it."""

    LEDGER = "ledger"
    """The database of each graph, read by the API."""
    SERVICE = "service"
    """The servers and processes of the whole service, as the API sees them."""
    API = "API"
    """One API process."""
    WORKER = "worker"
    """One worker process."""
    SCHEDULER = "scheduler"
    """One scheduler."""
    EVERY = "every process"


class Served(NamedTuple):
    """Which process serves the metrics of a source."""

    title: str
    meaning: str


SERVED = {
    Source.LEDGER: Served(
        "Of each graph",
        "Read from the databases of the graphs, and served by each API. They survive restarts of every process.",
    ),
    Source.SERVICE: Served("Of the service", "Read from PostgreSQL and Redis, and served by each API."),
    Source.API: Served("Of an API process", "Counted by the API process that serves them, since its start."),
    Source.WORKER: Served("Of a worker process", "Counted by the worker process that serves them, since its start."),
    Source.SCHEDULER: Served("Of a scheduler", "Known to the scheduler that serves them."),
    Source.EVERY: Served(
        "Of every process",
        "Served by each process, together with `process_cpu_seconds_total`, `process_resident_memory_bytes`, "
        "`process_virtual_memory_bytes`, `process_start_time_seconds`, `process_open_fds` and `process_max_fds`, which "
        "Linux tells of the process.",
    ),
}


class Metric(msgspec.Struct, frozen=True):
    """A metric. `name` comes without the prefix."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    source: tuple[Source, ...]
    help: str
    """One or two sentences, which the exposition has as well."""
    buckets: tuple[float, ...] = ()
    """Of a histogram: the upper bounds, without infinity."""

    @property
    def full_name(self) -> str:
        """The name as Prometheus knows it."""
        return PREFIX + self.name


LABELS = {
    "graph": "Name of a graph. Graphs beyond MENTIONGRAPH_METRICS_GRAPHS are added up as `_other`.",
    "state": "A state of uploads or batches, as the glossary has it.",
    "priority": "`urgent` or `bulk`.",
    "outcome": "`counted`, `repeated` (another row of the same post is counted) or `rejected`.",
    "code": "A reject code.",
    "kind": "Of edges: `new`, `updated`, `unarchived` or `removed`. Of processes: `worker` or `scheduler`. Of "
    "streams: `export`, `rejects` or `events`. Of checkpoints: `timed` or `requested`.",
    "step": "Of an upload: `receive`, `count` or `merge`. Of work: a part of counting or merging.",
    "work": "`count`, `merge` or `summarize`.",
    "actor": "`sweep`, `summarize`, `decay` or `purge`; of messages, any actor.",
    "healthy": "`true` or `false`.",
    "method": "The method of HTTP.",
    "route": "A route's template, such as `/users/{handle}`. `unknown`: no route.",
    "status": "The status of HTTP. `0`: the client left before an answer.",
    "result": "`hit`, `miss`, `not_modified`, `stored`, `not_stored`, `damaged` or `failure`.",
    "pool": "What connections are for.",
    "version": "The release.",
    "table": "A table of the graph's database.",
    "standby": "Name of a standby (application_name).",
}
"""What the labels mean."""

_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_WAITS = (0.001, 0.01, 0.1, 1.0, 3.0)
PROMISE_BUCKETS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
"""Seconds from seal to applied. The service promises 60. The migration that counts them has the same."""
STEP_BUCKETS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
"""Seconds of a step of an upload or batch. The migration that counts them has the same."""
_WORK = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)

_LEDGER, _SERVICE, _API = (Source.LEDGER,), (Source.SERVICE,), (Source.API,)
_COUNTER, _GAUGE, _HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

METRICS = (
    # Of each graph: what came in
    Metric("upload_begins_total", _COUNTER, ("graph",), _LEDGER, "Uploads that began to be received."),
    Metric("upload_ends_total", _COUNTER, ("graph", "state"), _LEDGER, "Uploads that ended, by their last state."),
    Metric("sealed_bytes_total", _COUNTER, ("graph",), _LEDGER, "Bytes of uploads that were received in full."),
    Metric("batch_ends_total", _COUNTER, ("graph", "state"), _LEDGER, "Batches that ended, by their last state."),
    Metric("rows_total", _COUNTER, ("graph", "outcome"), _LEDGER, "Rows of posts that were counted or rejected."),
    Metric("rejects_total", _COUNTER, ("graph", "code"), _LEDGER, "Rejected rows, by reject code."),
    Metric("mentions_total", _COUNTER, ("graph",), _LEDGER, "Mentions that were counted."),
    Metric("merges_total", _COUNTER, ("graph",), _LEDGER, "Merges of a shard that were committed."),
    Metric("merge_edges_total", _COUNTER, ("graph", "kind"), _LEDGER, "Edges that merges wrote."),
    Metric(
        "upload_to_applied_seconds",
        _HISTOGRAM,
        ("graph",),
        _LEDGER,
        "Seconds from the end of an upload's body until all of the upload was in the graph.",
        PROMISE_BUCKETS,
    ),
    Metric(
        "step_duration_seconds",
        _HISTOGRAM,
        ("graph", "step"),
        _LEDGER,
        "Seconds that an upload took to be received, and that a batch took to be counted and then merged. Waits are "
        "included.",
        STEP_BUCKETS,
    ),
    # Of each graph: what is there now
    Metric(
        "uploads",
        _GAUGE,
        ("graph", "state"),
        _LEDGER,
        "Uploads that have not ended, by state. At most 10,000 are looked at.",
    ),
    Metric(
        "batches",
        _GAUGE,
        ("graph", "state", "priority"),
        _LEDGER,
        "Batches that wait to be counted (staged) or merged (counted), or have failed. At most 10,000 of each are "
        "looked at, and 1,000 failed ones.",
    ),
    Metric(
        "backlog_bytes",
        _GAUGE,
        ("graph",),
        _LEDGER,
        "Decompressed bytes that wait to be counted. At most 10,000 batches are looked at.",
    ),
    Metric(
        "oldest_unapplied_seconds",
        _GAUGE,
        ("graph", "priority"),
        _LEDGER,
        "Seconds since the seal of the oldest upload that is not applied yet. 0: there is no such upload.",
    ),
    Metric(
        "summaries_stale_seconds",
        _GAUGE,
        ("graph",),
        _LEDGER,
        "Seconds for which the oldest merged delta has waited to be in the summaries. 0: none waits.",
    ),
    Metric(
        "period_last_success_timestamp_seconds",
        _GAUGE,
        ("graph", "actor"),
        _LEDGER,
        "When periodic work was done the last time, in seconds since 1970.",
    ),
    Metric(
        "audit_last_run_timestamp_seconds",
        _GAUGE,
        ("graph",),
        _LEDGER,
        "When the last audit ended, in seconds since 1970. There is no such series before the first audit.",
    ),
    Metric(
        "audit_differences",
        _GAUGE,
        ("graph",),
        _LEDGER,
        "Differences between the graph and the ledger that the last audit found. More than 0 is a defect.",
    ),
    Metric("edges", _GAUGE, ("graph",), _LEDGER, "Edges in the graph; an estimate from some 10,000 on."),
    Metric("users", _GAUGE, ("graph",), _LEDGER, "Users in the graph; an estimate from some 10,000 on."),
    Metric("database_bytes", _GAUGE, ("graph",), _LEDGER, "Bytes of the graph's database."),
    Metric(
        "postgres_dead_rows",
        _GAUGE,
        ("graph", "table"),
        _LEDGER,
        "Dead rows of the tables that are written most, as PostgreSQL estimates them.",
    ),
    Metric("graph_up", _GAUGE, ("graph",), _LEDGER, "Whether the graph's database answered in time: 1 or 0."),
    # Of the whole service, as an API sees it
    Metric("graphs", _GAUGE, ("state",), _SERVICE, "Graphs on the list, and `default`, by state."),
    Metric(
        "processes",
        _GAUGE,
        ("kind", "healthy"),
        _SERVICE,
        "Workers and schedulers that left a heartbeat, by whether they are healthy.",
    ),
    Metric("redis_up", _GAUGE, (), _SERVICE, "Whether Redis answered in time: 1 or 0."),
    Metric(
        "free_bytes",
        _GAUGE,
        (),
        _SERVICE,
        "Free bytes on the disk of MENTIONGRAPH_DATABASE_DIRECTORY. There is no such series where it is not set.",
    ),
    Metric("postgres_connections", _GAUGE, ("state",), _SERVICE, "Connections of the server of `default`, by state."),
    Metric("postgres_max_connections", _GAUGE, (), _SERVICE, "Connections that the server of `default` accepts."),
    Metric("postgres_wal_bytes_total", _COUNTER, (), _SERVICE, "Bytes that PostgreSQL wrote to its log (WAL)."),
    Metric("postgres_checkpoints_total", _COUNTER, ("kind",), _SERVICE, "Checkpoints of PostgreSQL."),
    Metric(
        "postgres_replication_lag_bytes",
        _GAUGE,
        ("standby",),
        _SERVICE,
        "Bytes of the log that a standby has not replayed yet.",
    ),
    Metric("postgres_archived_total", _COUNTER, (), _SERVICE, "Files of the log that PostgreSQL has archived."),
    Metric(
        "postgres_archive_failures_total",
        _COUNTER,
        (),
        _SERVICE,
        "Failed attempts of PostgreSQL to archive a file of the log.",
    ),
    Metric(
        "scrape_duration_seconds", _GAUGE, (), _SERVICE, "Seconds that it took to read everything from the servers."
    ),
    # Of one process
    Metric("build_info", _GAUGE, ("version",), (Source.EVERY,), "Always 1; the label says which release runs."),
    Metric(
        "http_request_duration_seconds",
        _HISTOGRAM,
        ("method", "route", "status"),
        _API,
        "Seconds from a request's head to the last byte of the answer. Event streams, exports and files of rejects "
        "are not among them.",
        _QUICK,
    ),
    Metric(
        "http_stream_duration_seconds",
        _HISTOGRAM,
        ("kind", "status"),
        _API,
        "Seconds that an event stream, an export or a file of rejects took.",
        (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0),
    ),
    Metric("http_requests_open", _GAUGE, (), _API, "Requests that are being answered now, streams included."),
    Metric("cache_requests_total", _COUNTER, ("result",), _API, "What became of answers that can be cached."),
    Metric(
        "db_pool_wait_seconds",
        _HISTOGRAM,
        ("pool",),
        (Source.API, Source.WORKER, Source.SCHEDULER),
        "Seconds that a caller waited for a connection to PostgreSQL.",
        _WAITS,
    ),
    Metric(
        "work_duration_seconds",
        _HISTOGRAM,
        ("work", "step"),
        (Source.WORKER,),
        "Seconds that a part of the work took.",
        _WORK,
    ),
    Metric("messages_total", _COUNTER, ("actor",), (Source.WORKER,), "Messages that this worker process took."),
    Metric(
        "scheduler_last_tick_timestamp_seconds",
        _GAUGE,
        (),
        (Source.SCHEDULER,),
        "When the scheduler asked for periodic work the last time, in seconds since 1970.",
    ),
)
"""Every metric of the service, in the order of the reference page."""

BY_NAME = {metric.name: metric for metric in METRICS}
