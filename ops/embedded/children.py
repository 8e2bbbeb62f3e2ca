"""Child processes that end with us, whatever ends us."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.errors import MentiongraphError

GUARD = Path(__file__).with_name("guard.py")
MECHANISM = "EMBEDDED_GUARD"
"""An environment variable for tests: `posix` has guards do without what only Linux has, as on macOS."""
COPIED_PYTHON = "EMBEDDED_PYTHON"
"""An environment variable: the library directory of a Python that was copied. See placement.py."""
POLL = 0.02
WRITER = Path(__file__).with_name("logwriter.py")
TAIL_BYTES = 2000
LOG_LIMIT, LOGS_KEPT = 16 << 20, 3
"""Bytes of a log, and how many older ones stay: a hundred thousand requests each, and a few hundred MB in all."""
PIPE_BYTES = 256 << 10
LAST_LINES = 5.0
"""Seconds that the last lines have to get into the log once nobody can write any more."""


class EmbeddedServerError(MentiongraphError):
    """An embedded server, or another child process, would not start."""

    code = "embedded-server"
    exit_code = 6


class Account(NamedTuple):
    """The unprivileged user a child becomes."""

    uid: int
    gid: int


def free_ports(count: int) -> list[int]:
    """Distinct loopback TCP ports nobody listens on, chosen by the kernel. Another process may still take one first."""
    with ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _mechanism() -> str:
    """What a guard may use to find and end its child's tree: see guard.py."""
    linux = sys.platform == "linux" and Path("/proc/self/stat").exists()
    return os.environ.get(MECHANISM) or ("linux" if linux else "posix")


def _for_python() -> dict[str, str]:
    """What the guard's Python needs of the environment, whatever the child's is."""
    library = os.environ.get(COPIED_PYTHON)
    return {"LD_LIBRARY_PATH": library} if library else {}


class Child:
    """One child process and everything it starts, in a session of its own.

    The whole tree is gone once `stop` returns, once the child itself has ended, and within `grace` seconds of our own
    death (see guard.py). `ready` is polled by `start`: True when the child can be used. The child inherits the open
    files `keep_open`. What the child writes belongs to its user alone: the child's umask is 077, its log has mode 0600.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        account: Account | None = None,
        keep_open: Sequence[int] = (),
        ready: Callable[[], bool] | None = None,
        timeout: float = 30.0,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: float = 10.0,
    ) -> None:
        self.name = name
        self.log = log
        self.pid = 0
        self._argv = [str(argument) for argument in argv]
        self._env, self._cwd, self._account, self._keep_open = env, cwd, account, tuple(keep_open)
        self._ready, self._timeout = ready, timeout
        self._stop_signal, self._grace = stop_signal, grace
        self._log_start = 0
        self._guard: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._writer: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    @property
    def exit_code(self) -> int | None:
        """As a shell has it: 128 + n when signal n ended the child. None while it lives or before it started."""
        return self._guard.poll() if self._guard else None

    def start(self) -> None:
        """Start, and return once ready. Raises EmbeddedServerError, leaving nothing running, if it is not in time."""
        if self.alive:
            raise EmbeddedServerError(f"{self.name} is already running (pid {self.pid})")
        self._release()
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log.touch(0o600)
        self._log_start = self.log.stat().st_size
        ours, theirs = socket.socketpair()
        uid, gid = self._account or (-1, -1)
        numbers = (_mechanism(), theirs.fileno(), os.getpid(), uid, gid, int(self._stop_signal), self._grace)
        with theirs, self._written_log() as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), *map(str, numbers), *self._argv],
                env=None if self._env is None else {**_for_python(), **self._env},
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(), *self._keep_open),
                start_new_session=True,
            )
        self._control = ours
        try:
            self.pid = int.from_bytes(ours.recv(4), "little")
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def _written_log(self) -> BinaryIO:
        """A pipe into the log; see logwriter.py."""
        pipe, end = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):  # not on macOS
            with contextlib.suppress(OSError):
                fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._writer = subprocess.Popen(
            [sys.executable, "-I", "-S", str(WRITER), str(self.log.absolute()), str(LOG_LIMIT), str(LOGS_KEPT)],
            cwd="/",
            stdin=pipe,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(pipe)
        return os.fdopen(end, "wb")

    def _wait_for_last_lines(self) -> None:
        """Once the whole tree is gone, the writer ends, too."""
        if self._writer is not None and not self.alive:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._writer.wait(LAST_LINES)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._timeout
        if not self.pid:
            raise EmbeddedServerError(f"{self.name} could not be started.{self.tail()}")
        while self._ready is not None and not (self.alive and self._ready()):
            if not self.alive:
                raise EmbeddedServerError(
                    f"{self.name} ended with exit code {self.exit_code} while starting.{self.tail()}"
                )
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"{self.name} was not ready after {self._timeout:g} s.{self.tail()}")
            time.sleep(POLL)

    def tail(self) -> str:
        """The end of what this run wrote to its log, introduced by the log's path; for error messages."""
        self._wait_for_last_lines()
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            start = self._log_start if self._log_start <= end else 0  # else another file has begun since
            log.seek(max(start, end - TAIL_BYTES))
            text = log.read().decode(errors="replace").strip()
        return f" The end of {self.log}:\n{text}" if text else f" It wrote nothing to {self.log}."

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child (SIGKILL: to its whole tree). Nothing happens if it has ended."""
        if self._control is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._control.send(bytes([number]))

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code once the tree is gone, None if it is still there after `timeout` seconds."""
        if self._guard is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._guard.wait(timeout)
        return None

    def stop(self, number: signal.Signals | None = None, grace: float | None = None) -> None:
        """Ask the child to end, wait, then kill its tree. Does nothing if it is not running."""
        if self.alive:
            self.signal(number or self._stop_signal)
            self.signal(signal.SIGCONT)
            if self.wait(self._grace if grace is None else grace) is None:
                self.kill()
        self._release()

    def kill(self) -> None:
        """SIGKILL the whole tree and wait for its end."""
        self.signal(signal.SIGKILL)
        self.wait()
        self._release()

    def _release(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        self._wait_for_last_lines()
