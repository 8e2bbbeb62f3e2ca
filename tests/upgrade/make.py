"""Make the dump of a database that an upgrade begins from: `python -m tests.upgrade.make 0.1.0`.

Do it once for a release, from its checkout: the schema and the contents are those of the code that runs. Writes
<NAME>.dump.gz, an archive of `mentiongraph backup`, and <NAME>.json, what must be found in it.

schema-0001 is a database that was made before release 0.1.0 had its last migrations. Only a checkout of that time can
make it again.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import msgspec

from app.settings import Settings
from app.store import postgres
from app.store.migrations import migrate
from ops.embedded.postgres import Postgres
from ops.embedded.valkey import Valkey
from tests.conftest import open_directory
from tests.graphs import edges
from tests.http.conftest import serving
from tests.system.test_cli import run
from tests.upgrade.past import LAST, Past

HERE = Path(__file__).parent
SUFFIX = ".dump.gz"


class Expected(msgspec.Struct, frozen=True):
    """What a dump holds."""

    migrations: list[str]
    """Names of those that its schema is made of."""
    states: dict[str, str]
    """State of each upload, by the name of its file."""
    contents: dict[str, str]
    """What was uploaded, by the same name."""
    edges: dict[str, float]
    """Effective weight of each edge at the instant of the dump, by `source target`, the archive's included."""


def states(conn: postgres.Connection) -> dict[str, str]:
    """State of each upload, by the name of its file."""
    return dict(conn.execute("SELECT filename, state FROM uploads ORDER BY id").fetchall())


def weights(conn: postgres.Connection) -> dict[str, float]:
    """Effective weight of each edge, the archive's included, at the instant of the dump."""
    held = edges(conn, LAST) | edges(conn, LAST, table="edges_archive")
    return {f"{source} {target}": each.weight for (source, target), each in sorted(held.items())}


def make(name: str) -> None:
    """Write the two files."""
    with open_directory() as directory:
        archive = directory / "past.dump"
        database = Postgres(directory / "postgres", durable=False)
        redis = Valkey(directory / "valkey", append_only=False)
        database.start()
        redis.start()
        try:
            migrations = migrate(database.dsn())
            past = Past(Settings(database_url=database.dsn(), redis_url=redis.url, namespace="past"))
            with (
                serving(past.settings, past.clock) as api,
                postgres.connect(past.settings.database_url, role="past") as conn,
            ):
                past.connect_to(api.http)
                past.live()
                with past.receiving(conn):
                    done = run("backup", archive, settings=past.settings)
                    assert done.returncode == 0, done.stderr
                    contents = {file: body.decode() for file, body in past.contents.items()}
                    found = Expected(migrations, states(conn), contents, weights(conn))
        finally:
            redis.stop()
            database.stop()
        packed = HERE / f"{name}{SUFFIX}"
        packed.write_bytes(gzip.compress(archive.read_bytes(), mtime=0))
    (HERE / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    print(f"{packed}: {packed.stat().st_size} bytes")


if __name__ == "__main__":
    make(sys.argv[1])
