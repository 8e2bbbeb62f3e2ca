"""This module remembers what became of a folder's files, so that a restart does not send them again.

The memory is a file of JSON lines, and may be lost: the service knows the same bytes again, so nothing is counted
twice. A file that is remembered is one of the same name, size and time of change, at the same API.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from ops.watch.folder import Found

FILE = ".mentiongraph-watch"
APPLIED = "applied"
MANY = 1000
"""Lines that may be out of date before the file is written anew."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a file."""

    api: str
    file: str
    size: int
    mtime_ns: int
    state: str
    """The state of the upload, or `refused`, or `skipped`."""
    upload: str | None = None
    sha256: str | None = None
    options: dict[str, str] = {}
    """The options of the upload."""


class Memory:
    """The latest record of each file. Without a `path`, or if the path cannot be written, nothing outlasts the process.

    `trouble` is why the memory could not be read or written.
    """

    def __init__(self, path: Path | None, api: str) -> None:
        self.trouble: OSError | None = None
        self._path = path
        self._api = api
        self._others: dict[tuple[str, str], Record] = {}
        """Records of other APIs."""
        self._records: dict[str, Record] = {}
        self._lines = 0
        self._tidy_lines = 0
        self._torn = False
        """Whether the file's last line was cut off."""
        if path is not None:
            self._read(path)

    def __len__(self) -> int:
        return len(self._records)

    def of(self, found: Found) -> Record | None:
        """The record of the file as it is now."""
        record = self._records.get(found.name)
        return record if record is not None and (record.size, record.mtime_ns) == found.signature else None

    def earlier(self, found: Found) -> Record | None:
        """The record of a file that had the same name, if its content may be the same."""
        record = self._records.get(found.name)
        return record if record is not None and record.size == found.size and record.sha256 else None

    def latest_upload(self) -> str | None:
        """The id of the upload that was applied last. The service forgets others after a while."""
        return next(
            (record.upload for record in reversed(self._records.values()) if record.upload and record.state == APPLIED),
            None,
        )

    def note(self, found: Found, state: str, **more: object) -> Record:
        """Remember what became of a file."""
        record = msgspec.convert(
            {"api": self._api, "file": found.name, "size": found.size, "mtime_ns": found.mtime_ns, "state": state}
            | more,
            Record,
        )
        self._records.pop(found.name, None)
        self._records[found.name] = record
        self._append(record)
        return record

    def drop(self, found: Found) -> None:
        """Forget a file, until the process ends."""
        self._records.pop(found.name, None)

    def forget(self) -> None:
        """Forget all records of this API."""
        self._records.clear()

    def tidy(self) -> None:
        """Write the file anew, without records that were replaced or whose files are gone, once there are many."""
        if self._path is None or self._lines <= 2 * self._tidy_lines + MANY:
            return
        root = self._path.parent
        kept = [each for each in (*self._others.values(), *self._records.values()) if (root / each.file).exists()]
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in kept))
            part.replace(self._path)
            self._lines = self._tidy_lines = len(kept)
            self._torn = False
            self._records = {each.file: each for each in kept if each.api == self._api}
        except OSError as error:
            self.trouble = error
            self._tidy_lines = self._lines
        finally:
            part.unlink(missing_ok=True)

    def _read(self, path: Path) -> None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            self.trouble = error
            return
        self._torn = not content.endswith(b"\n")
        for line in content.splitlines():
            self._lines += 1
            try:
                record = msgspec.json.decode(line, type=Record)
            except msgspec.MsgspecError:
                continue  # cut off by a crash
            if record.api == self._api:
                self._records.pop(record.file, None)
                self._records[record.file] = record
            else:
                self._others[record.api, record.file] = record

    def _append(self, record: Record) -> None:
        if self._path is None:
            return
        try:
            with self._path.open("ab") as file:
                file.write((b"\n" if self._torn else b"") + msgspec.json.encode(record) + b"\n")
            self._torn = False
            self._lines += 1
        except OSError as error:
            self.trouble = error
