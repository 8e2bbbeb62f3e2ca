"""A process that writes a log file for a child and its descendants: what they say comes through a pipe.

Run by path, `python -I -S logwriter.py FILE LIMIT KEPT`, so it imports nothing of ours. Standard input is the pipe.

A file that children write to by themselves cannot be rotated: they go on writing to the file that they opened. So this
process has the file, and starts the next one when LIMIT bytes are reached: FILE is renamed to FILE.1, FILE.1 to FILE.2,
up to FILE.KEPT. A line is never cut in two, unless the line is longer than a file may be.

The writer outlives everybody who may write: the pipe ends only when the last of them has ended. So no line is lost and
no child meets a broken pipe, whatever happens to the launcher. The writer is in a session of its own and ignores the
signals that end a group of processes.

PostgreSQL and Valkey log what clients send as it is. So this process escapes what would steer a terminal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

CHUNK = 1 << 16
PAUSE = 0.02
"""Seconds in which lines gather, so that a busy API does not wake this process for each of them."""


_STEERING = [bytes([code]) for code in (*range(9), *range(11, 32), 127)]
_TURNING = [
    chr(code).encode()
    for code in (*range(0x80, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
]


def shown(lines: bytes) -> bytes:
    """The lines with an escape such as \\x1b or \\u202e for each character that steers a terminal."""
    for sign in _STEERING:
        if sign in lines:
            lines = lines.replace(sign, b"\\x%02x" % sign[0])
    for sign in () if lines.isascii() else _TURNING:
        if sign in lines:
            lines = lines.replace(sign, b"\\u%04x" % ord(sign.decode()))
    return lines


class Log:
    """The file. Where nothing can be written, lines are left out and counted: nobody shall wait for a full disk."""

    def __init__(self, path: str, limit: int, kept: int) -> None:
        self._path, self._limit, self._kept = path, limit, kept
        self._file = -1
        self._left_out = 0

    def write(self, data: bytes) -> None:
        """Write whole lines, in one file or in several."""
        while data:
            try:
                room = self._limit - self._open()
                cut = len(data) if len(data) <= room else data.rfind(b"\n", 0, max(room, 0)) + 1
                if cut == 0 and room < self._limit:
                    self._rotate()
                    continue
                self._tell_what_is_missing()
                cut = os.write(self._file, data[: cut or self._limit])
            except OSError:
                self._left_out += len(data)
                return
            data = data[cut:]

    def _open(self) -> int:
        """Open the file, unless the one that is open is still at its place; its size."""
        with contextlib.suppress(OSError):
            there, ours = os.stat(self._path), os.fstat(self._file)  # noqa: PTH116 (imports take memory)
            if (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev):
                return ours.st_size
        self._close()
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return os.fstat(self._file).st_size

    def _rotate(self) -> None:
        for number in range(self._kept, 0, -1):
            older = f"{self._path}.{number - 1}" if number > 1 else self._path
            with contextlib.suppress(FileNotFoundError):
                os.replace(older, f"{self._path}.{number}")  # noqa: PTH105 (as above)
        self._open()

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _tell_what_is_missing(self) -> None:
        if self._left_out:
            os.write(self._file, b"(%d bytes could not be written here)\n" % self._left_out)
            self._left_out = 0


def main(path: str, limit: int, kept: int) -> None:
    """Write what comes until the last writer has ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    log, begun = Log(path, limit, kept), b""
    while data := os.read(0, CHUNK):
        lines = begun + data
        end = lines.rfind(b"\n") + 1 if len(lines) < limit else len(lines)
        log.write(shown(lines[:end]))
        begun = lines[end:]
        if len(data) < CHUNK:
            time.sleep(PAUSE)
    log.write(shown(begun))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
