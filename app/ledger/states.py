"""The states of uploads and batches, and which may follow which.

upload   receiving -> staged -> applying -> applied | failed           failed -> applying (replay)
         receiving -> aborted | duplicate | cancelled
         staged -> checking -> checked | failed                        (dry run)
         staged | applying | checking -> cancelling -> cancelled       applied | failed -> retracting -> retracted
zip      as its members: applied once all of them are, failed if one is; it has no batches
batch    staged -> counted -> applied -> retracting -> retracted       staged -> failed -> staged (replay)
         staged -> checked                                             staged | counted | failed -> cancelled
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from app.posts.options import Priority


class UploadState(StrEnum):
    """States of an upload; see the picture above."""

    RECEIVING = "receiving"
    STAGED = "staged"
    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"
    CHECKING = "checking"
    CHECKED = "checked"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    ABORTED = "aborted"
    DUPLICATE = "duplicate"
    RETRACTING = "retracting"
    RETRACTED = "retracted"


UNFINISHED = frozenset(
    {
        UploadState.RECEIVING,
        UploadState.STAGED,
        UploadState.APPLYING,
        UploadState.CHECKING,
        UploadState.CANCELLING,
        UploadState.RETRACTING,
    }
)


class Ring(msgspec.Struct, frozen=True):
    """What to ring a worker for: a batch to count, or a shard to merge."""

    id: int
    priority: Priority
    soon: bool = False
    """Whether the ring goes before those of uploads that bring many batches; see app/ledger/bells.py."""
