"""Every knob, in one place: name, default, unit, what it does.

A setting `batch_bytes` is read from the environment variable `MENTIONGRAPH_BATCH_BYTES`, or from the file that
`MENTIONGRAPH_BATCH_BYTES_FILE` names; `load` is called once by each process and the result is handed down.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, get_type_hints
from urllib.parse import quote

import msgspec
from msgspec import Meta

from app.errors import BadSetting

PREFIX = "MENTIONGRAPH_"
FILE_SUFFIX = "_FILE"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one process. `describe()` lists them with their documentation."""

    database_url: Annotated[str, Meta(description="PostgreSQL: a libpq URL or conninfo string.")] = (
        "postgresql://localhost:5432/mentiongraph"
    )
    redis_url: Annotated[
        str,
        Meta(
            description="Redis: redis://host:port/db, rediss://…, sentinel://host:port,host:port/service, sentinels://…."
        ),
    ] = "redis://localhost:6379/0"
    database_password: Annotated[
        str, Meta(description="Password for the user in MENTIONGRAPH_DATABASE_URL; or name a file that holds it.")
    ] = ""
    redis_password: Annotated[
        str, Meta(description="Password for the user in MENTIONGRAPH_REDIS_URL; or name a file that holds it.")
    ] = ""
    sentinel_password: Annotated[
        str, Meta(description="Password for the Sentinels in MENTIONGRAPH_REDIS_URL; or name a file that holds it.")
    ] = ""
    pgbouncer: Annotated[
        bool,
        Meta(
            description="PostgreSQL is reached through PgBouncer in transaction mode: no prepared statements, no "
            "start-up options. The statement timeout is then PgBouncer's to set, in its connect_query."
        ),
    ] = False
    namespace: Annotated[str, Meta(description="Prefix of every key in Redis.", min_length=1)] = "mentiongraph"

    host: Annotated[str, Meta(description="Address the API listens on; loopback unless told otherwise.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port the API listens on.", ge=0, le=65535)] = 8000
    database_patience: Annotated[
        float,
        Meta(description="Seconds that an upload under way waits for a PostgreSQL that restarts or fails over.", ge=0),
    ] = 20.0
    database_pool: Annotated[
        int,
        Meta(description="Connections of an API process for requests, at most; six more are for other things.", ge=2),
    ] = 10

    cache: Annotated[
        bool, Meta(description="Answers about the graph are kept in Redis, and serve until the graph changes.")
    ] = True
    cache_seconds: Annotated[
        float,
        Meta(description="Seconds that such an answer is kept. Asked for as of now, it serves for a minute.", ge=1),
    ] = 60.0
    cache_bytes: Annotated[
        int,
        Meta(description="Bytes that such answers may take in Redis, of all processes of the API together.", ge=0),
    ] = 64 * 2**20

    batch_bytes: Annotated[int, Meta(description="Decoded bytes of a file in a batch, about.", ge=64)] = 8 * 2**20
    max_upload_bytes: Annotated[
        int, Meta(description="Decoded bytes an upload may have; beyond it the upload is refused.", ge=1)
    ] = 16 * 2**30
    max_backlog_bytes: Annotated[
        int, Meta(description="Decoded bytes that may wait to be counted; beyond it new uploads are put off.", ge=1)
    ] = 64 * 2**30
    receive_timeout: Annotated[
        float, Meta(description="Seconds an upload may stand still before it is given up as cut off.", gt=0)
    ] = 60.0
    enqueue_timeout: Annotated[
        float, Meta(description="Seconds to try to ring the bell in Redis before it is left to the sweeper.", ge=0)
    ] = 5.0

    claim_seconds: Annotated[
        float, Meta(description="Seconds a worker may hold a batch before another may take it.", gt=0)
    ] = 15.0
    max_attempts: Annotated[int, Meta(description="Claims of a batch before it is `failed`.", ge=1, le=1000)] = 8
    backoff_seconds: Annotated[
        float, Meta(description="Seconds before the second attempt; doubles with each further one.", gt=0)
    ] = 1.0
    backoff_limit: Annotated[float, Meta(description="Seconds a back-off may reach.", gt=0)] = 60.0
    merge_edges: Annotated[
        int, Meta(description="Edges of several deltas that one merge takes together, about 200 bytes each.", ge=1)
    ] = 250_000
    known_handles: Annotated[
        int, Meta(description="Handles whose ids a worker process remembers, about 150 bytes each.", ge=0)
    ] = 1_000_000
    sweep_seconds: Annotated[
        float, Meta(description="Seconds between two sweeps by a worker process, besides the scheduler's.", gt=0)
    ] = 5.0
    heartbeat_seconds: Annotated[
        float,
        Meta(
            description="Seconds between two signs of life of a worker process, a scheduler, an upload under way.", gt=0
        ),
    ] = 5.0
    silence_seconds: Annotated[
        float,
        Meta(
            description="Seconds without one, or in which a queue was not asked, after which it is not healthy; after "
            "twice as many it is ended, to be started again.",
            gt=0,
        ),
    ] = 30.0
    ring_again_seconds: Annotated[
        float, Meta(description="Seconds before a batch whose bell is still in the queue is rung again.", gt=0)
    ] = 30.0
    statement_timeout: Annotated[
        float,
        Meta(description="Seconds one SQL statement of a process may take; exports take as long as they need.", gt=0),
    ] = 300.0

    stale_after_days: Annotated[
        float, Meta(description="Days without a mention after which an edge's weight is written down.", gt=0)
    ] = 7.0
    archive_below: Annotated[
        float, Meta(description="Effective weight under which a stale edge is archived.", ge=0)
    ] = 0.06

    days_kept: Annotated[
        int,
        Meta(
            description="Days of posts for which each edge's and user's mentions are told apart; 0: they are not.",
            ge=0,
            le=366,
        ),
    ] = 35

    retention_days: Annotated[
        float,
        Meta(description="Days that a finished upload's payloads and deltas stay: to be replayed, retracted.", gt=0),
    ] = 30.0
    reject_retention_days: Annotated[
        float, Meta(description="Days that a finished upload's rejects stay; their numbers stay for good.", gt=0)
    ] = 90.0

    worker_processes: Annotated[int, Meta(description="Processes of one `mentiongraph worker`.", ge=1)] = (
        os.cpu_count() or 1
    )
    worker_threads: Annotated[int, Meta(description="Threads of each worker process.", ge=1)] = 2
    log_level: Annotated[
        str, Meta(description="debug, info, warning or error.", pattern="^(debug|info|warning|error)$")
    ] = "info"
    log_json: Annotated[bool, Meta(description="Log JSON lines instead of text.")] = False


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from `MENTIONGRAPH_*` and from the files that `MENTIONGRAPH_*_FILE` name; passwords go into the URLs.

    Raises BadSetting naming the variable, its value and what it wants; of a file, not its content.
    """
    given: dict[str, object] = {}
    for name, hint in get_type_hints(Settings, include_extras=True).items():
        variable = PREFIX + name.upper()
        if (file := environ.get(variable + FILE_SUFFIX)) is not None:
            if variable in environ:
                raise BadSetting(f"{variable} and {variable}{FILE_SUFFIX} are both set: only one may be.")
            value, shown = _read(variable + FILE_SUFFIX, file), f"{variable}{FILE_SUFFIX}={file!r}"
        elif variable in environ:
            value = environ[variable]
            shown = variable if name.endswith("_password") else f"{variable}={value!r}"
        else:
            continue
        try:
            given[name] = msgspec.convert(value, type=hint, strict=False)
        except msgspec.ValidationError as error:
            raise BadSetting(f"{shown}: {error}") from error
    return _with_passwords(msgspec.convert(given, type=Settings))


def _read(variable: str, file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"{variable}={file!r}: it cannot be read: {error}") from error


def _with_passwords(settings: Settings) -> Settings:
    """The passwords moved into the URLs, so that nobody after this has to know of them."""
    database, redis = settings.database_url, settings.redis_url
    if settings.database_password:
        database = _with_password(database, "DATABASE", settings.database_password)
    if settings.redis_password:
        redis = _with_password(redis, "REDIS", settings.redis_password)
    if settings.sentinel_password:
        separator = "&" if "?" in redis else "?"
        redis += f"{separator}sentinel_password={quote(settings.sentinel_password, safe='')}"
    return msgspec.structs.replace(
        settings,
        database_url=database,
        redis_url=redis,
        database_password="",
        redis_password="",
        sentinel_password="",
    )


def _with_password(url: str, which: str, password: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise BadSetting(
            f"{PREFIX}{which}_PASSWORD goes with a URL in {PREFIX}{which}_URL, such as scheme://user@host."
        )
    authority, slash, path = rest.partition("/")
    user, at, hosts = authority.rpartition("@")
    if ":" in user:
        raise BadSetting(f"{PREFIX}{which}_URL has a password already, and {PREFIX}{which}_PASSWORD is set.")
    return f"{scheme}://{user}:{quote(password, safe='')}@{hosts if at else authority}{slash}{path}"


def environment(settings: Settings) -> dict[str, str]:
    """The environment that makes `load` answer `settings` in another process."""
    return {PREFIX + name.upper(): str(value) for name, value in msgspec.structs.asdict(settings).items()}


def describe() -> list[tuple[str, str, str]]:
    """(environment variable, default, documentation) of every setting, for the docs and `--help`."""
    hints = get_type_hints(Settings, include_extras=True)
    fields = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    return [
        (PREFIX + name.upper(), str(fields[name]), next(m.description or "" for m in hint.__metadata__))
        for name, hint in hints.items()
    ]
