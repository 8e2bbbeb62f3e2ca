"""One change of many uploads: which of them it fits, and the change itself, an upload at a time.

Each upload is changed as if it were the only one: in a transaction of its own, with the locks and guards of the single
change. So a bulk change that ends midway leaves nothing half done, and what others did meanwhile is refused one by one.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

import sql
from app.control.callers import Caller
from app.errors import BadState
from app.graph import withdrawal
from app.graph.parameters import GraphParameters
from app.ledger import transitions
from app.ledger.entries import Filter
from app.ledger.states import Ring
from app.posts.options import Priority
from app.store.postgres import AsyncConnection, Connection, async_one

_LOOK = sql.query("graph/bulk/look")


class Change(StrEnum):
    """What can be done to many uploads."""

    CANCEL = "cancel"
    RETRACT = "retract"
    REPLAY = "replay"


class Looked(msgspec.Struct, frozen=True):
    """How many uploads match, and how many of them each change fits.

    A member of a zip is counted under `…_with_zip`, if the change fits the zip, too, and the zip also matches.
    """

    matching: int
    cancel: int
    cancel_with_zip: int
    retract: int
    retract_with_zip: int
    replay: int
    replay_with_zip: int
    ids: list[uuid.UUID]
    """The newest uploads that the change fits which was asked for."""

    def fits(self, change: Change) -> int:
        """The number of uploads that the change fits."""
        return {Change.CANCEL: self.cancel, Change.RETRACT: self.retract, Change.REPLAY: self.replay}[change]

    def with_zip(self, change: Change) -> int:
        """The number of further uploads that go with their zips."""
        return {
            Change.CANCEL: self.cancel_with_zip,
            Change.RETRACT: self.retract_with_zip,
            Change.REPLAY: self.replay_with_zip,
        }[change]


class Bells(NamedTuple):
    """What to ring workers for, after a change."""

    batches: list[Ring]
    shards: list[Ring]


async def look(
    conn: AsyncConnection,
    wanted: Filter,
    *,
    ids: Sequence[uuid.UUID] | None,
    change: Change | None,
    before: uuid.UUID | None,
    limit: int,
    owner: str | None,
) -> Looked:
    """Which uploads match a filter or, with `ids`, are among these; and which of them the change fits.

    `before`: only those before this upload in the list. With an owner, theirs alone.
    """
    params = {
        **wanted.params(owner),
        "ids": None if ids is None else list(ids),
        "action": change,
        "before_id": before,
        "limit": limit,
    }
    return await async_one(conn, Looked, _LOOK, params) or Looked(0, 0, 0, 0, 0, 0, 0, [])


def do(
    conn: Connection,
    change: Change,
    upload_id: uuid.UUID,
    parameters: GraphParameters,
    *,
    now: datetime,
    caller: Caller,
) -> Bells:
    """Change one upload, in a transaction of its own. Returns what to ring for.

    Raises NotFound, and BadState if the upload's state does not allow the change any more.
    """
    match change:
        case Change.CANCEL:
            shards = withdrawal.cancel(conn, upload_id, parameters, now=now, caller=caller)
        case Change.RETRACT:
            shards = withdrawal.retract(conn, upload_id, parameters, now=now, caller=caller)
        case Change.REPLAY:
            return Bells(_replay(conn, upload_id, now=now, caller=caller), [])
    return Bells([], [Ring(shard, Priority.BULK) for shard in shards])


def _replay(conn: Connection, upload_id: uuid.UUID, *, now: datetime, caller: Caller) -> list[Ring]:
    failed = transitions.failed_batches(conn, upload_id=upload_id)
    moved = transitions.replay(conn, [each.id for each in failed if each.replayable], now=now, caller=caller)
    if not moved:
        raise BadState(f"upload {upload_id} has no failed batch that can be replayed.")
    return [Ring(each.id, each.priority) for each in failed if each.id in set(moved)]
