"""A process between the launcher and one of its children: when the launcher is gone, the child's whole tree goes.

Run by path, `python -I -S guard.py MECHANISM CONTROL LAUNCHER UID GID SIGNAL GRACE COMMAND…`, so it imports nothing of
ours. MECHANISM says what the guard may use:

linux   The guard is a subreaper (prctl). Descendants that lose their parent become its children, wherever they moved
        (own session, own group), so it can kill until none is left. The child has a parent-death signal on the guard,
        in case the guard is killed. A parent-death signal alone would not do: it reaches only the direct child, fires
        when the *thread* that started it ends, and leaves forked workers behind. /proc lists children, a pidfd tells of
        the launcher's end.
posix   Elsewhere, macOS for one. The tree is the child's process group, and what `ps` shows to descend from it: a
        descendant that has moved to a session of its own and then loses its parent escapes. (PostgreSQL's backends
        do both, but end by themselves without their postmaster.) A second process, the watcher, waits for the end of a
        pipe from the guard and kills the tree when the guard is killed. The guard notices the launcher's end from the
        socket, and from its own parent becoming another one.

CONTROL is a socket. Guard to launcher: the child's pid, 4 bytes. Launcher to guard: one byte a signal for the child;
SIGKILL is for the tree. End of file, or SIGTERM or SIGINT to the guard: SIGNAL to the child, GRACE seconds later
SIGKILL to the tree. The exit code is the child's exit code, 128 + n if signal n ended the child.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
GLANCE = 0.5
"""Seconds between two looks at who the parent is."""
POLL = 0.02
PS = ("/bin/ps", "-A", "-o", "pid=,ppid=,pgid=,stat=")


class Order(NamedTuple):
    linux: bool
    control: int
    launcher: int
    uid: int
    gid: int
    stop: int
    grace: float


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def _become(command: list[str], guard: int, order: Order) -> None:
    """In the forked child: never returns."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (*HANDLED, signal.SIGPIPE, signal.SIGXFSZ):  # the last two Python ignores, and exec hands that on
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        os.umask(0o077)  # whatever the child writes is its user's alone
        if order.uid >= 0:
            os.setgroups([])
            os.setgid(order.gid)
            os.setuid(order.uid)
        if order.linux:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user clears it: so after that
        if os.getppid() == guard:  # else the guard died before the signal was set
            os.setpgid(0, 0)
            os.execvp(command[0], command)  # noqa: S606  # no shell: an argument list
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


# With what Linux has -------------------------------------------------------------------------------------------------


def _children() -> list[int]:
    me, found = os.getpid(), list[int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # gone since
            # the name, in parentheses, may hold anything: fields count from the last ")"
            if int(stat.read_text().rpartition(")")[2].split()[1]) == me:
                found.append(int(stat.parent.name))
    return found


def _kill_children(statuses: dict[int, int]) -> None:
    """SIGKILL every descendant. A killed parent's children become ours, so it is over when we have no child left."""
    while True:
        _kill(_children())
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return
        statuses[pid] = status


# With POSIX alone ----------------------------------------------------------------------------------------------------


def _family(child: int) -> set[int]:
    """The child, the members of its process group, their descendants, and the groups that those lead."""
    table = subprocess.run(PS, check=False, capture_output=True, text=True)
    rows = [line.split(None, 3) for line in table.stdout.splitlines()]
    alive = [(int(row[0]), int(row[1]), int(row[2])) for row in rows if not row[3].startswith("Z")]
    found, before = {child}, 0
    while len(found) > before:
        before = len(found)
        found |= {pid for pid, parent, group in alive if parent in found or group in found}
    return found & {pid for pid, _, _ in alive}


def _kill_family(child: int, statuses: dict[int, int]) -> None:
    """SIGKILL the child's tree, until none of it is left. Who is in it is seen before anybody loses a parent."""
    while family := _family(child):
        _kill(family)
        _reap(statuses)
        time.sleep(POLL)
    _reap(statuses)


def _watch_over(guard: int, lifeline: int, child: int, order: Order) -> None:
    """In the watcher: never returns. A guard that ends as it should writes to the pipe before it does."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        os.close(guard)
        os.close(order.control)
        if not os.read(lifeline, 1):
            _kill_family(child, {})
    finally:
        os._exit(0)


# With either ---------------------------------------------------------------------------------------------------------


def _kill(pids: list[int] | set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS has the second for zombies
            os.kill(pid, signal.SIGKILL)


def _reap(statuses: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            statuses[ended[0]] = ended[1]


def _receive(control: int) -> bytes:
    with contextlib.suppress(ConnectionResetError):  # the launcher died with bytes of ours unread
        return os.read(control, 4096)
    return b""


def _wake(*_: object) -> None:
    """The wake-up descriptor gets the number; a handler must exist for that."""


def _send(pid: int, numbers: bytes) -> None:
    for number in numbers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _watch(child: int, wake: int, order: Order) -> dict[int, int]:
    """Wait until the child has ended or its tree must be killed; the statuses of those that ended."""
    statuses: dict[int, int] = {}
    deadline: float | None = None
    gone = -1
    poll = select.poll()
    poll.register(wake, select.POLLIN)
    poll.register(order.control, select.POLLIN)
    if order.linux:
        with contextlib.suppress(OSError):  # an old kernel. It notices a launcher whose socket lives on in a fork of it
            gone = os.pidfd_open(order.launcher)
            poll.register(gone, select.POLLIN)
    while child not in statuses and (deadline is None or time.monotonic() < deadline):
        patience = None if deadline is None else deadline - time.monotonic()
        if not order.linux:
            patience = GLANCE if patience is None else min(GLANCE, patience)
        ready = [fd for fd, _ in poll.poll(None if patience is None else 1 + 1000 * max(0.0, patience))]
        over = gone in ready or (not order.linux and os.getppid() != order.launcher)
        if wake in ready:
            over |= not {signal.SIGTERM, signal.SIGINT}.isdisjoint(os.read(wake, 4096))
        if order.control in ready:
            signals = _receive(order.control)
            over |= not signals
            if signal.SIGKILL in signals:
                break
            _send(child, signals)
        if over and deadline is None:
            deadline = time.monotonic() + order.grace
            _send(child, bytes([order.stop, signal.SIGCONT]))  # a stopped process acts on nothing but SIGKILL
        if over:
            for fd in {order.control, gone}.intersection(ready):
                poll.unregister(fd)
        _reap(statuses)
    return statuses


def main(order: Order, command: list[str]) -> int:
    if order.linux:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
    guard = os.getpid()
    wake, wakened = os.pipe()
    lifeline, alive = os.pipe()
    os.set_blocking(wakened, False)
    os.set_inheritable(order.control, False)
    signal.set_wakeup_fd(wakened)
    for number in HANDLED:
        signal.signal(number, _wake)
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)  # until the child has no handler of ours that would swallow them
    child = os.fork()
    if child == 0:
        _become(command, guard, order)
    watcher = 0 if order.linux else os.fork()
    if not order.linux and watcher == 0:
        _watch_over(alive, lifeline, child, order)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    with contextlib.suppress(OSError):  # no launcher any more: the loop will notice
        os.write(order.control, child.to_bytes(4, "little"))
    statuses = _watch(child, wake, order)
    if order.linux:
        _kill_children(statuses)
    else:
        _kill_family(child, statuses)
        os.write(alive, b".")
        while not {child, watcher} <= statuses.keys():
            pid, status = os.waitpid(-1, 0)
            statuses[pid] = status
    code = os.waitstatus_to_exitcode(statuses[child])
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    mechanism, *numbers, seconds = sys.argv[1:8]
    sys.exit(main(Order(mechanism == "linux", *map(int, numbers), float(seconds)), sys.argv[8:]))  # pyright: ignore[reportCallIssue]
