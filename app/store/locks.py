"""Every advisory lock there is: its key, who takes it, and in which order. All end with their transaction.

| lock | key | taken by | waits |
|---|---|---|---|
| MIGRATIONS | one | `migrate` | yes |
| REBUILD | one | `rebuild`; shared: `forget` | no: a second one is refused |
| ERASURE | a person who is forgotten | whoever forgets the person, or waits for its turn | yes |
| FORGET | one | `forget`, after ERASURE: one person after another | yes |
| SWEEP | one | each sweep; a scrape that adds up many counts | no: one sweep at a time is enough |
| SUMMARIES | one | whoever makes summaries; `rebuild --swap`, `forget` | no; the last two wait |
| DECAY | a run | whoever works on that run | no: somebody else is working on it |
| MERGE | a shard | the shard's one merge | no: the merge that runs looks for more |
| shard | a shard | merge, decay, withdrawal, `rebuild --swap`, `forget` | yes, in the order of asking |
| POST_IDS | one | shared: counts with post ids, purges; alone: who takes such an upload out; both: `forget` | yes |
| USERS | a stretch of ids | whoever adds users; `forget` takes all, from 0 up | yes |
| body | the body's SHA-256 | whoever seals an upload; of a zip for all its files | yes, in the order of keys |
| graph | the name's SHA-256 | whoever creates or drops a graph | no: a second one is refused |

A transaction that takes several takes MERGE, DECAY or POST_IDS first, then shards from 0 up, then SUMMARIES. Rows of
batches are locked after all of these, and rows of uploads after batches, each in the order of id. The other locks are
taken alone. Counts insert posts after they have locked their batch, in the order of keys.
A lock is taken in a statement of its own: the next statement's snapshot is then younger than the lock.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

import sql
from app.store.postgres import AsyncConnection, Connection, execute, scalars

_TAKE = sql.query("store/locks/take")
_TAKE_SHARED = sql.query("store/locks/take_shared")
_TRY = sql.query("store/locks/try_take")
_TRY_SHARED = sql.query("store/locks/try_take_shared")
_TAKE_PART = sql.query("store/locks/take_part")
_TRY_PART = sql.query("store/locks/try_take_part")

MIGRATIONS = 0x6D67_0000_0000
SWEEP = 0x6D67_0000_0001
REBUILD = 0x6D67_0000_0002
SUMMARIES = 0x6D67_0000_0003
POST_IDS = 0x6D67_0000_0004
FORGET = 0x6D67_0000_0005

_SHARDS = int.from_bytes(b"mgsh") << 32


class Part(IntEnum):
    """The first halves of two-part keys: locks of which there is one a shard, a run, a stretch of ids or a person."""

    MERGE = 0x6D67
    DECAY = 0x6D68
    USERS = 0x6D69
    ERASURE = 0x6D6A


def shard_key(shard: int) -> int:
    """The key of a shard's lock. Raises ValueError for a number that no shard has."""
    if not 0 <= shard < 1 << 32:
        raise ValueError(f"there is no shard {shard}")
    return _SHARDS | shard


def body_key(sha256: bytes) -> int:
    """The key of the lock of all uploads with these bytes."""
    return int.from_bytes(sha256[:8], signed=True)


def graph_key(name: str) -> int:
    """The key of the lock of the graph of this name, in the database of `default`."""
    return body_key(hashlib.sha256(f"graph {name}".encode()).digest())


def take(conn: Connection, key: int) -> None:
    """Wait for the lock and hold it until the end of the transaction."""
    execute(conn, _TAKE, {"key": key})


def take_shared(conn: Connection, key: int) -> None:
    """Wait for the lock and hold it until the end of the transaction, beside others that share it."""
    execute(conn, _TAKE_SHARED, {"key": key})


async def async_take(conn: AsyncConnection, key: int) -> None:
    """`take` for request handlers."""
    await conn.execute(_TAKE, {"key": key})


def try_take(conn: Connection, key: int) -> bool:
    """Take the lock until the end of the transaction. False: another session holds the lock."""
    return scalars(conn, _TRY, {"key": key}) == [True]


def try_take_shared(conn: Connection, key: int) -> bool:
    """Take the lock beside others that share it, until the end of the transaction. False: somebody holds it alone."""
    return scalars(conn, _TRY_SHARED, {"key": key}) == [True]


def take_part(conn: Connection, part: Part, number: int) -> None:
    """Wait for the lock of one shard, run or stretch and hold it until the end of the transaction."""
    execute(conn, _TAKE_PART, {"part": int(part), "number": number})


def try_take_part(conn: Connection, part: Part, number: int) -> bool:
    """Take the lock of one shard, run or stretch until the end of the transaction. False: another session holds it."""
    return scalars(conn, _TRY_PART, {"part": int(part), "number": number}) == [True]


def take_shard(conn: Connection, shard: int) -> None:
    """Wait for a shard's lock and hold it until the end of the transaction: nobody else changes the shard's edges."""
    take(conn, shard_key(shard))
