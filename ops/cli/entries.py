"""An upload, as the API tells of it."""

from __future__ import annotations

import uuid
from datetime import datetime

import msgspec

from app.errors import Problem

DONE = frozenset({"applied", "checked"})
"""States in which an upload that was sent came to what was wanted of it."""
GOOD = DONE | {"duplicate"}
"""With the state of an upload whose bytes another owner sent before: they count once, whoever sends them again."""
BROKEN = frozenset({"failed", "aborted"})
ON_THE_WAY = frozenset({"receiving", "staged", "applying", "checking"})
FAILED = 1
"""Exit code of a command whose upload came to something else."""


class Progress(msgspec.Struct, frozen=True):
    """The parts of an upload that are counted so far. `share` goes from 0 to 1."""

    bytes_total: int
    bytes_counted: int
    share: float
    rows_counted: int
    rejects_counted: int
    mentions_counted: int


class Batches(msgspec.Struct, frozen=True):
    """The number of batches in each state."""

    staged: int
    counted: int
    applied: int
    failed: int
    checked: int = 0
    cancelled: int = 0
    retracting: int = 0
    retracted: int = 0


class UploadWarning(msgspec.Struct, frozen=True):
    """A warning of an upload (app.ledger.warnings.UploadWarning)."""

    code: str
    detail: str
    count: int
    lines: list[int]


class Detected(msgspec.Struct, frozen=True):
    """One answer about a file (app.posts.options.Detected)."""

    value: str
    sure: str


class ReadWith(msgspec.Struct, frozen=True):
    """The options of an upload that tell how its file is read."""

    detected: dict[str, Detected] = {}


class Sender(msgspec.Struct, frozen=True):
    """Who sent an upload (app.http.routes.uploads.Sender)."""

    key_id: str | None
    owner: str | None
    address: str | None


class Entry(msgspec.Struct, frozen=True):
    """The fields that the command line uses of an upload's entry (app.http.routes.uploads.Upload).

    This class copies the fields, because importing `Upload` and the enumeration of its states takes a second.
    """

    id: uuid.UUID
    state: str
    filename: str | None
    progress: Progress
    batches: Batches
    rows_received: int | None
    """Number of received rows. None until the body is complete."""
    rows_accepted: int | None
    """Number of accepted rows. None until every batch is counted, like `rows_rejected` and `mentions`."""
    rows_rejected: int | None
    rows_applied: int
    mentions: int | None
    mentions_applied: int
    size_bytes: int
    received_at: datetime
    finished_at: datetime | None
    duplicate_of: uuid.UUID | None
    error: Problem | None
    purged_at: datetime | None = None
    rows_repeated: int | None = None
    """Number of accepted rows whose post another row counts. None: the upload gives no ids of posts."""
    options: ReadWith = ReadWith()
    rejects_purged_at: datetime | None = None
    rejects_kept: int | None = None
    """Number of rejected rows that are there. None: the API is of an earlier release, and keeps all of them."""
    warnings: list[UploadWarning] = []
    sent_by: Sender | None = None
    note: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the upload stays unchanged until somebody replays the upload."""
        return self.finished_at is not None


class Forecast(msgspec.Struct, frozen=True):
    """What a withdrawal would change (app.http.forecasts.WithdrawalForecast)."""

    upload_id: uuid.UUID
    state: str
    batches: int
    batches_not_counted: int
    batches_taken_out: int
    rows_taken_out: int
    mentions_taken_out: int
    edges_gone: int | None
    edges_weaker: int | None
    users_gone: int | None
    exact: bool | None
    detail: str | None


class Step(msgspec.Struct, frozen=True):
    """The state and the progress of an upload at one moment."""

    state: str
    progress: Progress
    rows_applied: int

    @classmethod
    def of(cls, entry: Entry) -> Step:
        """Returns the step that the entry shows."""
        return cls(entry.state, entry.progress, entry.rows_applied)


class Sent(msgspec.Struct, frozen=True):
    """The upload with the bytes that the client sent. If `earlier`, the ledger had these bytes before."""

    entry: Entry
    earlier: bool
