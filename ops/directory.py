"""This module manages the data directory of an embedded stack.

One stack at a time uses a directory. The directory keeps the stack's ports, and lets other commands find the stack:

lock            the running stack holds this lock; the lock, not the file, shows that a stack runs
settings.env    MENTIONGRAPH_* of the running stack, for a shell to read; the file holds passwords
ports.json      the ports of PostgreSQL, Valkey and the API, kept from one run to the next
demo            marks a demo's directory, which each start of a demo empties
logs/           one log a process, and its three earlier logs: api.log, api.log.1, …
mentiongraph.password, valkey.password
                the passwords of the API and the workers for PostgreSQL and Valkey
mentiongraph_owner.password
                the password of the role that owns the databases of graphs
admin.key       a key for the API, which commands beside the stack send: see `admin_key.py`
postgres…, valkey/
                the data of the servers

The directory belongs to the account that runs the stack, and nobody else can read it: see `owner.py`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shlex
import shutil
import socket
import time
from pathlib import Path
from typing import IO

import msgspec

from app import settings as app_settings
from app.errors import MentiongraphError, ServerFailed
from app.settings import Settings
from ops.embedded.children import POLL, free_ports
from ops.embedded.placement import SYSTEM_STATE
from ops.owner import DirectoryInUse, is_ours, name_of, settle

PORT_PATIENCE = 5.0
"""Seconds that the processes of a killed run may take to release their ports."""

DEFAULT = Path(".mentiongraph")
DEMO = DEFAULT / "demo"

__all__ = ["DirectoryInUse"]


class StackNotRunning(MentiongraphError):
    """No stack runs over this directory."""

    code = "stack-not-running"
    exit_code = 5


class Ports(msgspec.Struct, frozen=True):
    """The port on which each process listened last time. 0: the process has had no port yet."""

    postgres: int = 0
    redis: int = 0
    api: int = 0


class DataDirectory:
    """A directory that this process owns from `take` to `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.was_killed = False
        """Whether the last run was killed. The processes of a killed run may still be ending."""
        self.news: list[str] = []
        """What a person should know of how the directory was found."""
        self._lock: IO[bytes] | None = None

    def take(self) -> None:
        """Take the directory for this process.

        Raises DirectoryInUse if another stack runs over the directory, if the directory can't be created, or if another
        user could have prepared the directory.
        """
        try:
            self.news = settle(self.path)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            lock = os.fdopen(os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab")
        except OSError as error:
            raise DirectoryInUse(f"{self.path}: {error}. Name another one with --data.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise _running(self.path) from None
        self._lock = lock
        self.was_killed = (self.path / "settings.env").exists()

    def release(self) -> None:
        if self._lock is not None:
            (self.path / "settings.env").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def publish(self, settings: Settings) -> None:
        """Let other commands find the running stack. The function `published` below reads the file."""
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in app_settings.environment(settings).items()]
        self._write(self.path / "settings.env", "".join(lines).encode())

    def server_ports(self) -> tuple[Ports, list[str]]:
        """Returns the ports of PostgreSQL and Valkey, and a line for each port that had to change.

        A server keeps the port of the last run unless another program has the port now. The processes of a killed run
        have a few seconds to release their ports.
        """
        kept, news = self.kept_ports(), list[str]()
        chosen: dict[str, int] = {}
        others = iter(free_ports(2))  # both at once, because two calls may return the same port
        for name, shown, port in (("postgres", "PostgreSQL", kept.postgres), ("redis", "Valkey", kept.redis)):
            if port and becomes_free("127.0.0.1", port, patience=self.port_patience):
                chosen[name] = port
                continue
            chosen[name] = next(others)
            if port:
                news.append(
                    f"Another program listens on port {port}, which {shown} had in this directory. "
                    f"{shown} now has port {chosen[name]}."
                )
        return self.keep_ports(**chosen), news

    @property
    def port_patience(self) -> float:
        """Seconds that a port of this directory may take to become free."""
        return PORT_PATIENCE if self.was_killed else 0.0

    def kept_ports(self) -> Ports:
        """Returns the ports of the last run."""
        with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):
            return msgspec.json.decode((self.path / "ports.json").read_bytes(), type=Ports)
        return Ports()

    def keep_ports(self, **ports: int) -> Ports:
        """Keep these ports for the next run. The other ports stay unchanged."""
        kept = msgspec.structs.replace(self.kept_ports(), **ports)
        part = self.path / "ports.json.part"
        self._write(part, msgspec.json.encode(kept))
        part.replace(self.path / "ports.json")
        return kept

    def secret(self, name: str) -> str:
        """Returns the password that the file of this name holds. The first call makes the password, and the file."""
        file = self.path / f"{name}.password"
        with contextlib.suppress(FileNotFoundError):
            if kept := file.read_text(encoding="ascii").strip():
                return kept
        made = secrets.token_urlsafe(24)
        self._write(file, made.encode())
        return made

    @staticmethod
    def _write(file: Path, data: bytes) -> None:
        """Write a new file that nobody else can read."""
        file.unlink(missing_ok=True)
        file.touch(0o600, exist_ok=False)
        file.write_bytes(data)

    def make_fresh_demo(self) -> None:
        """Empty the directory. If the directory is not a demo's, change nothing and raise DirectoryInUse."""
        mark = self.path / "demo"
        if not mark.exists() and {entry.name for entry in self.path.iterdir()} - {"lock", "logs"}:
            raise DirectoryInUse(
                f"{self.path} holds something else than a demo. A demo deletes everything in its directory first. "
                "Name another directory with --data."
            )
        cluster = self.path / "postgres"
        if cluster.is_symlink() and cluster.resolve().is_relative_to(SYSTEM_STATE):
            shutil.rmtree(cluster.resolve().parent, ignore_errors=True)
        for entry in self.path.iterdir():
            if entry.name in {"lock", "demo"} or not is_ours(entry.name):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.logs.mkdir(mode=0o700)
        mark.touch(0o600)


def require_stopped(path: Path) -> None:
    """Raises DirectoryInUse if a stack runs over the directory."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), (path / "lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _running(path) from None


def _running(path: Path) -> DirectoryInUse:
    return DirectoryInUse(
        f"`mentiongraph up` or `demo` already runs over {path}. Stop it first, or name another directory with --data."
    )


def published(path: Path) -> dict[str, str]:
    """Returns the MENTIONGRAPH_* of the stack that runs over a directory. Raises StackNotRunning."""
    missing = StackNotRunning(f"nothing runs over {path}. Start it with `mentiongraph up --data {path}`.")
    try:
        with (path / "lock").open("rb") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise missing
        text = (path / "settings.env").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise missing from None
    except PermissionError as error:
        raise DirectoryInUse(
            f"{name_of(os.geteuid())} can't read {error.filename}: the stack over {path} belongs to another user. Run "
            "this command as that user, or as root. Or name the stack's API with --api."
        ) from None
    return dict(line.split("=", 1) for line in shlex.split(text))


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen on this port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError):
        return False
    return True


def becomes_free(host: str, port: int, *, patience: float) -> bool:
    """Whether a server could listen on this port now or within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not port_is_free(host, port):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)
    return True


def choose_port(host: str, wanted: int, *, insist: bool, patience: float) -> int:
    """Returns the wanted port, or another port if another program keeps the wanted port. 0 means any port.

    The wanted port has `patience` seconds to become free. With `insist`, raises ServerFailed instead of returning
    another port.
    """
    if becomes_free(host, wanted, patience=patience):
        return wanted or free_ports(1)[0]
    if insist:
        raise ServerFailed(
            f"nothing can listen on port {wanted} of {host}: another program does, or the port is reserved. "
            "Name another port with --port."
        )
    return free_port_near(host, wanted)


def free_port_near(host: str, port: int) -> int:
    """Returns one of the next hundred ports, or any other port, on which a server could listen."""
    near = range(port + 1, min(port + 100, 65536))
    return next((each for each in near if port_is_free(host, each)), free_ports(1)[0])


def link_log(link: Path, log: Path) -> None:
    """Link the log of a server, which is elsewhere, so that all logs are in one directory."""
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(log, link.parent))
