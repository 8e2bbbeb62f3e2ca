"""The data directory of an embedded stack: one stack at a time, the ports it keeps, how other commands find it.

lock            held by the running stack; the lock, not the file, says that one runs
settings.env    MENTIONGRAPH_* of the running stack, for a shell to read; mode 0600, it holds a password
ports.json      the servers' ports, kept from one run to the next
demo            there in a demo's directory, which is emptied at each start
logs/           one file a process
postgres…, valkey/
"""

from __future__ import annotations

import contextlib
import fcntl
import os
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

DEFAULT = Path(".mentiongraph")
DEMO = DEFAULT / "demo"

_OURS = ("lock", "settings.env", "ports.json", "demo", "logs", "valkey")


class DirectoryInUse(MentiongraphError):
    """The data directory cannot be used."""

    code = "data-directory"
    exit_code = 6


class StackNotRunning(MentiongraphError):
    """No stack runs over this directory."""

    code = "stack-not-running"
    exit_code = 5


class Ports(msgspec.Struct, frozen=True):
    """Where the servers listened last time."""

    postgres: int
    redis: int


class DataDirectory:
    """A directory taken by this process, until `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.was_killed = False
        """Whether the last run could not tidy up; its processes may still be on their way out."""
        self._lock: IO[bytes] | None = None

    def take(self) -> None:
        """Raises DirectoryInUse where another stack runs over it, or where it cannot be made."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("ab")
        except OSError as error:
            raise DirectoryInUse(f"{self.path}: {error}. Name another one with --data.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise DirectoryInUse(
                f"`mentiongraph up` or `demo` already runs over {self.path}. Stop it first, or name another directory "
                "with --data."
            ) from None
        self._lock = lock
        self.was_killed = (self.path / "settings.env").exists()

    def release(self) -> None:
        if self._lock is not None:
            (self.path / "settings.env").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def publish(self, settings: Settings) -> None:
        """Let other commands find the running stack: see `running`."""
        file = self.path / "settings.env"
        file.unlink(missing_ok=True)
        file.touch(0o600)
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in app_settings.environment(settings).items()]
        file.write_text("".join(lines), encoding="utf-8")

    def ports(self) -> Ports:
        """Those of the last run where nobody else has them now, and free ones otherwise."""
        file = self.path / "ports.json"
        kept: Ports | None = None
        with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):
            kept = msgspec.json.decode(file.read_bytes(), type=Ports)
        if kept is None or not all(port_is_free("127.0.0.1", port) for port in (kept.postgres, kept.redis)):
            kept = Ports(*free_ports(2))
            file.write_bytes(msgspec.json.encode(kept))
        return kept

    def make_fresh_demo(self) -> None:
        """Empty it. Raises DirectoryInUse, and touches nothing, where it is not a demo's."""
        mark = self.path / "demo"
        if not mark.exists() and {entry.name for entry in self.path.iterdir()} - {"lock", "logs"}:
            raise DirectoryInUse(
                f"{self.path} holds something else than a demo, and the demo begins by deleting what is there. "
                "Name another directory with --data."
            )
        cluster = self.path / "postgres"
        if cluster.is_symlink() and cluster.resolve().is_relative_to(SYSTEM_STATE):
            shutil.rmtree(cluster.resolve().parent, ignore_errors=True)
        for entry in self.path.iterdir():
            if entry.name in {"lock", "demo"} or not _is_ours(entry):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.logs.mkdir()
        mark.touch()


def _is_ours(entry: Path) -> bool:
    return entry.name in _OURS or entry.name == "postgres" or entry.name.startswith("postgres.")


def published(path: Path) -> dict[str, str]:
    """The MENTIONGRAPH_* of the stack that runs over a directory. Raises StackNotRunning."""
    missing = StackNotRunning(f"nothing runs over {path}. Start it with `mentiongraph up --data {path}`.")
    try:
        with (path / "lock").open("rb") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise missing
        text = (path / "settings.env").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise missing from None
    return dict(line.split("=", 1) for line in shlex.split(text))


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError):
        return False
    return True


def choose_port(host: str, wanted: int, *, insist: bool, patience: float) -> int:
    """The port wanted; if it is taken, one of the next hundred, or any, or ServerFailed where we `insist` on it.

    A port that is taken is given `patience` seconds to become free.
    """
    deadline = time.monotonic() + patience
    while not port_is_free(host, wanted):
        if time.monotonic() < deadline:
            time.sleep(POLL)
        elif insist:
            raise ServerFailed(f"port {wanted} of {host} cannot be listened on: it is taken, or reserved.")
        else:
            return next(
                (port for port in range(wanted + 1, wanted + 100) if port_is_free(host, port)), free_ports(1)[0]
            )
    return wanted or free_ports(1)[0]


def link_log(link: Path, log: Path) -> None:
    """Make a log that a server keeps elsewhere appear among the others."""
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(log, link.parent))
