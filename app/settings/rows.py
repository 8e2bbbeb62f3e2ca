"""The rows: each setting with its group, type, limits, unit, meaning and default."""

from __future__ import annotations

import os
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from app.settings.durations import DAY, HOUR


class Group(StrEnum):
    """What a setting is about; `mentiongraph settings` lists one group after the other."""

    SERVERS = "Servers"
    API = "API"
    UPLOADS = "Uploads"
    LIMITS = "Limits of an owner"
    WORKERS = "Workers"
    HEALTH = "Health"
    DECAY = "Decay"
    RETENTION = "Retention"
    METRICS = "Metrics"
    LOGS = "Logs"


def _about(group: Group, unit: str, meaning: str, **limits: Any) -> Meta:  # noqa: ANN401 (msgspec's limits)
    return Meta(description=meaning, extra={"group": group, "unit": unit}, **limits)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one process. `describe` lists them."""

    database_url: Annotated[
        str, _about(Group.SERVERS, "", "Address of PostgreSQL: a URL or connection string as libpq takes it.")
    ] = "postgresql://localhost:5432/mentiongraph"
    database_password: Annotated[
        str, _about(Group.SERVERS, "", "Password for PostgreSQL, when MENTIONGRAPH_DATABASE_URL has none.")
    ] = ""
    owner_url: Annotated[
        str,
        _about(
            Group.SERVERS,
            "",
            "Address of the database that MENTIONGRAPH_DATABASE_URL names, with a role that may create databases. The "
            "role creates, migrates and drops the databases of graphs. Without it, the role of "
            "MENTIONGRAPH_DATABASE_URL does.",
        ),
    ] = ""
    pgbouncer: Annotated[
        bool,
        _about(
            Group.SERVERS,
            "",
            "Whether MENTIONGRAPH_DATABASE_URL leads to PgBouncer in transaction mode. Connections then use no "
            "prepared statements and no start-up options. Set the statement timeout in PgBouncer's connect_query.",
        ),
    ] = False
    read_database_url: Annotated[
        str,
        _about(
            Group.SERVERS,
            "",
            "Address of PostgreSQL standbys, which answer questions about the graph in place of the primary: hosts "
            "with commas in between, as libpq takes them. An answer is never older than the primary's. Empty: none.",
        ),
    ] = ""
    database_directory: Annotated[
        str,
        _about(
            Group.SERVERS,
            "",
            "PostgreSQL's data directory, if it is on this machine. Processes then see how much room its disk has. "
            "`mentiongraph up` names its own.",
        ),
    ] = ""
    statement_timeout: Annotated[
        float,
        _about(
            Group.SERVERS,
            "seconds",
            "PostgreSQL cancels an SQL statement that runs longer than this. Exports have no limit.",
            gt=0,
        ),
    ] = 300.0
    redis_url: Annotated[
        str,
        _about(
            Group.SERVERS,
            "",
            "Address of Redis or Valkey: redis://host:port/db, or rediss://… with TLS. With Sentinel: "
            "sentinel://host:port,host:port/service, or sentinels://… with TLS.",
        ),
    ] = "redis://localhost:6379/0"
    redis_password: Annotated[
        str, _about(Group.SERVERS, "", "Password for Redis, when MENTIONGRAPH_REDIS_URL has none.")
    ] = ""
    sentinel_password: Annotated[
        str, _about(Group.SERVERS, "", "Password for the Sentinels that MENTIONGRAPH_REDIS_URL names.")
    ] = ""
    namespace: Annotated[
        str,
        _about(
            Group.SERVERS,
            "",
            "Every key in Redis begins with this word, so that graphs can share a Redis.",
            min_length=1,
        ),
    ] = "mentiongraph"
    enqueue_timeout: Annotated[
        float,
        _about(
            Group.SERVERS,
            "seconds",
            "A process tries this long to tell the workers of new work through Redis. After that, the workers find the "
            "work by their next sweep.",
            ge=0,
        ),
    ] = 5.0

    host: Annotated[
        str, _about(Group.API, "", "The API listens on this address. 127.0.0.1 serves this machine only.")
    ] = "127.0.0.1"
    port: Annotated[int, _about(Group.API, "", "The API listens on this port.", ge=0, le=65535)] = 8000
    allowed_hosts: Annotated[
        str,
        _about(
            Group.API,
            "",
            "Names by which clients may address the API, separated by commas; * is any name. The API always answers to "
            "localhost, to the address that it listens on and to loopback addresses. If it listens on another address "
            "than loopback, it answers to every address and to this machine's name, too.",
            pattern=r"^ *([^ ,:/]+ *(, *[^ ,:/]+ *)*)?$",
        ),
    ] = ""
    tls_certificate: Annotated[
        str,
        _about(
            Group.API,
            "",
            "Path of the file with the API's certificate, followed by those that lead to its authority (PEM). With a "
            "certificate, the API speaks HTTPS only. The API reads the file again within seconds after a change.",
        ),
    ] = ""
    tls_key: Annotated[
        str,
        _about(
            Group.API,
            "",
            "Path of the file with the certificate's private key (PEM), unless the certificate's own file holds the "
            "key.",
        ),
    ] = ""
    tls_key_password: Annotated[
        str, _about(Group.API, "", "Password of the private key in MENTIONGRAPH_TLS_KEY, if the key is encrypted.")
    ] = ""
    hsts_seconds: Annotated[
        int,
        _about(
            Group.API,
            "seconds",
            "A browser that reached the API by HTTPS uses nothing else for this time (Strict-Transport-Security). 0 "
            "sends no such header. localhost never gets the header.",
            ge=0,
        ),
    ] = 31_536_000
    ca_file: Annotated[
        str,
        _about(
            Group.API,
            "",
            "Path of a file with certificates (PEM) of authorities. Commands believe these authorities, and not the "
            "well-known ones, if the API's address begins with https://.",
        ),
    ] = ""
    key_over_http: Annotated[
        bool,
        _about(
            Group.API,
            "",
            "Whether commands send a key over plain HTTP to an API on another machine. Others may read the key on its "
            "way.",
        ),
    ] = False
    published_on: Annotated[
        str,
        _about(
            Group.API,
            "",
            "The address on which a proxy or a container's host publishes the API, if that is another than "
            "MENTIONGRAPH_HOST. It decides whether requests need a key: MENTIONGRAPH_KEYS.",
        ),
    ] = ""
    keys: Annotated[
        Literal["auto", "required", "off"],
        _about(
            Group.API,
            "",
            "Whether every request needs a key. auto: unless the API is published on a loopback address. off: "
            "everybody who reaches the API may do everything. A key that a request has is checked in any case.",
        ),
    ] = "auto"
    database_pool: Annotated[
        int,
        _about(
            Group.API,
            "connections",
            "An API process opens at most this many connections to PostgreSQL for requests. Other work takes 19 more.",
            ge=2,
        ),
    ] = 10
    max_connections: Annotated[
        int,
        _about(Group.API, "connections", "An API process holds at most this many connections of clients.", ge=8),
    ] = 4096
    head_timeout: Annotated[
        float,
        _about(Group.API, "seconds", "The head of a request must arrive within this time.", gt=0),
    ] = 10.0
    trusted_proxies: Annotated[
        str,
        _about(
            Group.API,
            "",
            "Addresses or networks of proxies, with commas in between. Only theirs are the X-Forwarded-For and "
            "X-Forwarded-Proto that the API believes.",
        ),
    ] = ""
    read_timeout: Annotated[
        float,
        _about(
            Group.API,
            "seconds",
            "An expensive question about the graph (networks, paths, histories, users with many mentions) is given up "
            "after this time.",
            gt=0,
        ),
    ] = 10.0
    download_rate: Annotated[
        int,
        _about(
            Group.API,
            "bytes a second",
            "An export or a file of rejects ends if its client takes less than this for MENTIONGRAPH_RECEIVE_TIMEOUT.",
            ge=0,
        ),
    ] = 64 * 2**10
    download_timeout: Annotated[
        float,
        _about(Group.API, "seconds", "An export or a file of rejects ends after this time, however fast.", gt=0),
    ] = 14_400.0
    cache: Annotated[
        bool,
        _about(
            Group.API,
            "",
            "Whether the API keeps answers about the graph in Redis and reuses them until the graph changes.",
        ),
    ] = True
    cache_replicas: Annotated[
        str,
        _about(
            Group.API,
            "",
            "Replicas of Redis that cached answers are read from: URLs with spaces in between, or `sentinel` for those "
            "that the Sentinels of MENTIONGRAPH_REDIS_URL name. Empty: the master alone is asked.",
        ),
    ] = ""
    cache_seconds: Annotated[
        float,
        _about(
            Group.API,
            "seconds",
            "A cached answer expires after this time. An answer about the present moment expires within a minute.",
            ge=1,
        ),
    ] = 60.0
    cache_bytes: Annotated[
        int,
        _about(
            Group.API,
            "bytes",
            "Cached answers of all API processes together take at most this much memory in Redis.",
            ge=0,
        ),
    ] = 64 * 2**20

    batch_bytes: Annotated[
        int,
        _about(Group.UPLOADS, "bytes", "The API splits a decompressed upload into batches of about this size.", ge=64),
    ] = 8 * 2**20
    max_upload_bytes: Annotated[
        int, _about(Group.UPLOADS, "bytes", "The API refuses an upload that is larger once decompressed.", ge=1)
    ] = 16 * 2**30
    max_backlog_bytes: Annotated[
        int,
        _about(
            Group.UPLOADS,
            "bytes",
            "The API puts new uploads off (429, with Retry-After) while more decompressed data than this waits to be "
            "counted.",
            ge=1,
        ),
    ] = 64 * 2**30
    max_expansion: Annotated[
        int,
        _about(
            Group.UPLOADS,
            "times",
            "The API refuses a file that becomes so many times larger when it is unpacked. The first 64 MiB are free.",
            ge=1,
        ),
    ] = 1000
    max_window_bytes: Annotated[
        int,
        _about(
            Group.UPLOADS,
            "bytes",
            "The API refuses zstd and xz that need more memory than this to be decoded. `zstd --long` needs up to "
            "134217728, `xz -9` needs 67108864.",
            ge=1 << 20,
            le=1 << 30,
        ),
    ] = 8 * 2**20
    receiving_bytes: Annotated[
        int,
        _about(
            Group.UPLOADS,
            "bytes",
            "The uploads and previews that an API process receives at once hold this much memory in all. Beyond it, "
            "the API puts new ones off (429, with Retry-After).",
            ge=64 << 20,
        ),
    ] = 256 * 2**20
    min_free_bytes: Annotated[
        int,
        _about(
            Group.UPLOADS,
            "bytes",
            "The API refuses uploads (507), and batches wait, while the disk of MENTIONGRAPH_DATABASE_DIRECTORY has "
            "less room than this. 0 sets no bound.",
            ge=0,
        ),
    ] = 2**30
    max_database_bytes: Annotated[
        int,
        _about(
            Group.UPLOADS,
            "bytes",
            "The API refuses uploads (507), and batches wait, while the database is larger than this. 0 sets no "
            "bound. For a PostgreSQL on another machine.",
            ge=0,
        ),
    ] = 0
    rejects_kept: Annotated[
        int,
        _about(
            Group.UPLOADS,
            "rows",
            "The service keeps at most this many rejected rows of a file, to be repaired. The others are only counted.",
            ge=0,
            le=10_000_000,
        ),
    ] = 10_000
    receive_timeout: Annotated[
        float,
        _about(Group.UPLOADS, "seconds", "The API aborts an upload when no byte arrives for this long.", gt=0),
    ] = 60.0
    least_rate: Annotated[
        int,
        _about(
            Group.UPLOADS,
            "bytes a second",
            "The API aborts an upload that is slower than this for MENTIONGRAPH_RECEIVE_TIMEOUT. 0: none is too slow.",
            ge=0,
        ),
    ] = 500
    database_patience: Annotated[
        float,
        _about(
            Group.UPLOADS,
            "seconds",
            "A running upload waits this long while PostgreSQL restarts or fails over. Then the upload fails.",
            ge=0,
        ),
    ] = 20.0

    owner_uploads: Annotated[
        int,
        _about(
            Group.LIMITS,
            "uploads",
            "An API process receives at most this many uploads and previews of one owner at once. 0 sets no limit. An "
            "owner is who has a key; without a key, it is the client's address. Clients without a key on the machine "
            "of the API itself have no limits.",
            ge=0,
        ),
    ] = 8
    owner_exports: Annotated[
        int,
        _about(
            Group.LIMITS,
            "exports",
            "An API process sends at most this many exports and files of rejects to one owner at once. All owners "
            "together get 2 exports and 2 files of rejects of the graph default, and 1 export and 2 files of each "
            "other graph. 0 sets no limit.",
            ge=0,
        ),
    ] = 1
    owner_streams: Annotated[
        int,
        _about(
            Group.LIMITS,
            "streams",
            "An API process sends at most this many event streams to one owner at once, of 200 in all. 0 sets no "
            "limit.",
            ge=0,
        ),
    ] = 20
    owner_reads: Annotated[
        int,
        _about(
            Group.LIMITS,
            "questions",
            "An API process answers at most this many expensive questions of one owner at once, of 4 in all: networks, "
            "paths, histories, users with many mentions. 0 sets no limit.",
            ge=0,
        ),
    ] = 2
    owner_requests_a_minute: Annotated[
        int,
        _about(
            Group.LIMITS,
            "requests",
            "An API process answers at most this many requests of one owner in a minute. 0 sets no limit.",
            ge=0,
        ),
    ] = 0
    owner_bytes_a_day: Annotated[
        int,
        _about(
            Group.LIMITS,
            "bytes",
            "One owner may upload this much to one graph, decompressed, from midnight to midnight (UTC), to all API "
            "processes together. 0 sets no limit.",
            ge=0,
        ),
    ] = 0

    worker_processes: Annotated[
        int, _about(Group.WORKERS, "processes", "`mentiongraph worker` starts this many processes.", ge=1)
    ] = os.cpu_count() or 1
    worker_threads: Annotated[
        int, _about(Group.WORKERS, "threads", "Each worker process runs this many threads.", ge=1)
    ] = 2
    claim_seconds: Annotated[
        float,
        _about(
            Group.WORKERS,
            "seconds",
            "A worker renews its claim on a batch while the work goes on. Without a renewal for this long, another "
            "worker takes the batch.",
            gt=0,
        ),
    ] = 15.0
    max_attempts: Annotated[
        int,
        _about(
            Group.WORKERS,
            "attempts",
            "A batch is `failed` after this many attempts. `mentiongraph replay` starts over.",
            ge=1,
            le=1000,
        ),
    ] = 8
    backoff_seconds: Annotated[
        float,
        _about(
            Group.WORKERS,
            "seconds",
            "Workers wait this long before the second attempt at a batch, and twice as long before each further one.",
            gt=0,
        ),
    ] = 1.0
    backoff_limit: Annotated[
        float, _about(Group.WORKERS, "seconds", "The wait before another attempt never exceeds this time.", gt=0)
    ] = 60.0
    merge_edges: Annotated[
        int,
        _about(
            Group.WORKERS,
            "edges",
            "One merge takes several deltas together, up to this many edges. Each edge takes some 200 bytes of memory.",
            ge=1,
        ),
    ] = 250_000
    known_handles: Annotated[
        int,
        _about(
            Group.WORKERS,
            "handles",
            "Each worker process caches the ids of this many handles. Each handle takes some 150 bytes of memory.",
            ge=0,
        ),
    ] = 1_000_000
    sweep_seconds: Annotated[
        float,
        _about(
            Group.WORKERS,
            "seconds",
            "Each worker process looks this often for work whose message was lost. The scheduler asks for that, too, "
            "once a minute.",
            gt=0,
        ),
    ] = 5.0
    ring_again_seconds: Annotated[
        float,
        _about(
            Group.WORKERS,
            "seconds",
            "A sweep sends the message for a batch again after this time, if other messages still wait in Redis.",
            gt=0,
        ),
    ] = 30.0

    heartbeat_seconds: Annotated[
        float,
        _about(
            Group.HEALTH,
            "seconds",
            "Workers, schedulers and running uploads write a heartbeat to PostgreSQL this often.",
            gt=0,
        ),
    ] = 5.0
    silence_seconds: Annotated[
        float,
        _about(
            Group.HEALTH,
            "seconds",
            "A worker or scheduler is unhealthy after this time without a heartbeat or queue poll. After twice as long "
            "it exits, so that its supervisor restarts it.",
            gt=0,
        ),
    ] = 30.0

    decay_every: Annotated[
        timedelta,
        _about(
            Group.DECAY,
            "duration",
            "Workers start a decay run once in each period of this length. Those of 1d begin at midnight UTC.",
        ),
    ] = DAY
    decay_batch_edges: Annotated[
        int,
        _about(
            Group.DECAY,
            "edges",
            "A decay run looks at about this many edges at a time. A smaller number keeps each transaction shorter.",
            ge=1,
            le=15_000,
        ),
    ] = 15_000
    stale_after_days: Annotated[
        float,
        _about(
            Group.DECAY,
            "days",
            "An edge without a new mention for this long is stale: a decay run stores its present weight.",
            gt=0,
        ),
    ] = 7.0
    archive_below: Annotated[
        float,
        _about(Group.DECAY, "weight", "A decay run archives a stale edge whose effective weight is below this.", ge=0),
    ] = 0.06

    retention_days: Annotated[
        float,
        _about(
            Group.RETENTION,
            "days",
            "A finished upload can be replayed, retracted and rebuilt from for this long. Then its data is purged.",
            gt=0,
        ),
    ] = 30.0
    reject_retention_days: Annotated[
        float,
        _about(
            Group.RETENTION,
            "days",
            "The rejected rows of a finished upload can be downloaded for this long. Their number stays.",
            gt=0,
        ),
    ] = 90.0
    unapplied_retention_days: Annotated[
        float,
        _about(
            Group.RETENTION,
            "days",
            "The ledger forgets an upload of which nothing is in the graph after this long: one that was aborted, "
            "refused or cancelled, a duplicate, or a dry run.",
            gt=0,
        ),
    ] = 7.0
    unapplied_kept: Annotated[
        int,
        _about(
            Group.RETENTION,
            "uploads",
            "The ledger keeps about this many uploads of which nothing is in the graph, and forgets the oldest first.",
            ge=0,
            le=10_000_000,
        ),
    ] = 10_000
    audit_retention_days: Annotated[
        float,
        _about(
            Group.RETENTION,
            "days",
            "Audit events, which say who did what, are kept for this long. Of denied requests, the newest 100,000 "
            "stay at most.",
            ge=1,
        ),
    ] = 400.0
    purge_every: Annotated[
        timedelta,
        _about(
            Group.RETENTION,
            "duration",
            "Workers purge once in each period of this length. Those of 1h begin at the full hour.",
        ),
    ] = HOUR
    days_kept: Annotated[
        int,
        _about(
            Group.RETENTION,
            "days",
            "Edges and users have daily numbers of mentions for this many past days. 0 keeps no daily numbers.",
            ge=0,
            le=366,
        ),
    ] = 35

    metrics_listen: Annotated[
        str,
        _about(
            Group.METRICS,
            "",
            "Address and port on which an API process serves its metrics without a key, such as 127.0.0.1:9464. A "
            "range of ports is for several processes of one machine: each takes the first port that is free. Empty: "
            "only /metrics of the API itself, for keys with the scope metrics.",
        ),
    ] = ""
    worker_metrics_listen: Annotated[
        str,
        _about(
            Group.METRICS,
            "",
            "The same for worker processes and schedulers, such as 127.0.0.1:9474-9489. Empty: they serve no metrics.",
        ),
    ] = ""
    metrics_graphs: Annotated[
        int,
        _about(
            Group.METRICS,
            "graphs",
            "So many graphs have metrics of their own, the oldest first. The metrics of the others are added up.",
            ge=1,
            le=1_000,
        ),
    ] = 50

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        _about(Group.LOGS, "", "Processes log lines of this level and above."),
    ] = "info"
    log_json: Annotated[bool, _about(Group.LOGS, "", "Whether a log line is a JSON object instead of text.")] = False
