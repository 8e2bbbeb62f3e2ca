"""Post ids: a post that comes with an id counts once, in whatever file it comes.

The batch whose count commits first owns a post, and counts it. Other rows with the post are repeated: they are accepted
and add nothing. A batch claims its posts in the transaction that counts it, so a retry, a crash or a replay changes
nothing. `post_repeats` links the holders of a post to its owner, for the day that the owner leaves the graph (see
handover.py).

Claims share the lock POST_IDS, which whoever takes an upload out holds alone. So an owner that a claim sees stays the
owner until the claim commits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

import sql
from app.graph.groups import Groups
from app.graph.shards import Ints
from app.ledger.transitions import Claim
from app.posts.options import Format
from app.posts.screening import PLACEHOLDERS
from app.store import locks
from app.store.params import UuidArray
from app.store.postgres import AsyncConnection, Connection, async_exactly_one, exactly_one, execute, scalars

_LOCK_CLAIMED = sql.query("graph/post_ids/lock_claimed")
_CLAIM = sql.query("graph/post_ids/claim")
_OWNED_BY_OTHERS = sql.query("graph/post_ids/owned_by_others")
_INSERT_LINKS = sql.query("graph/post_ids/insert_links")
_SET_REPEATED = sql.query("graph/post_ids/set_repeated")

NO_IDS = (*PLACEHOLDERS, "0", "-1")
"""What tools write where there is no id, in lower case."""
_SPREADSHEET = r"^[0-9][.,]?[0-9]*[eE]\+?[0-9]+$"
"""A long number as spreadsheets write it: many posts have the same."""
_FLOAT = r"^([0-9]+)\.0$"
"""A whole number in a column of floats."""

_NOBODY = 0
"""No batch has this id."""


class Keys(NamedTuple):
    """The keys of some posts: 128-bit hashes of scope and id. Two of 10^12 posts share one with probability 10^-15."""

    keys: npt.NDArray[Any]
    """V16: the distinct keys, sorted."""
    rows: Ints
    """Of each key the first row that has it."""
    again: Ints
    """The rows whose key a row before them has."""

    def rows_but(self, positions: list[int], rows: int) -> pl.Series:
        """Which of so many rows count, if the keys at these positions are another batch's."""
        counts = np.ones(rows, np.bool_)
        counts[self.again] = False
        counts[self.rows[positions]] = False
        return pl.Series(counts)

    def only(self, positions: list[int]) -> Ints:
        """The rows that count, if only the keys at these positions do; in their order."""
        return np.sort(self.rows[positions])


class Elsewhere(msgspec.Struct, frozen=True):
    """Positions of keys that other batches own, and these batches."""

    positions: list[int]
    owners: list[int]


def keys_of(frame: pl.DataFrame, form: Format) -> Keys | None:
    """The keys of posts, as the readers give them. None: the upload gives no ids of posts.

    A post without an id has no key: it counts as often as it comes. So do posts with a placeholder, or with a number
    that a spreadsheet has cut, since those do not tell posts apart.
    """
    if form.id_scope is None or "id" not in frame.columns:
        return None
    ids = frame["id"].str.replace(_FLOAT, "$1")
    none = ids.str.to_lowercase().is_in(NO_IDS) | ids.str.contains(_SPREADSHEET)
    rows = np.flatnonzero(~none.fill_null(value=True).to_numpy())
    prefix = form.id_scope.encode() + b"\0"
    digest = xxhash.xxh3_128_digest
    digests = b"".join([digest(prefix + each) for each in ids.gather(rows).cast(pl.Binary).to_list()])
    words = np.frombuffer(digests, ">u8").reshape(-1, 2)
    groups = Groups.of(words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64))
    firsts = groups.min(rows)
    again = np.setdiff1d(rows, firsts)
    return Keys(np.frombuffer(digests, "V16")[groups.order[groups.starts]], firsts, again)


def lock_claimed(conn: Connection, claim: Claim) -> bool:
    """Lock a batch whose posts are to be claimed; False if another claim superseded this one. In a transaction."""
    locks.take_shared(conn, locks.POST_IDS)
    return bool(scalars(conn, _LOCK_CLAIMED, {"batch_id": claim.batch_id, "claim": claim.token}))


def claim(conn: Connection, batch_id: int, keys: Keys) -> Elsewhere:
    """Claim posts for a batch. Returns those that other batches own, to which the batch is linked."""
    own = execute(conn, _CLAIM, {"batch_id": batch_id, "keys": UuidArray(keys.keys)})
    if own == len(keys.keys):
        return Elsewhere([], [])
    # A statement after the claim: it sees whatever the claim met.
    elsewhere = owned_by_others(conn, batch_id, keys)
    link(conn, batch_id, elsewhere.owners)
    return elsewhere


def owned_by_others(conn: Connection, batch_id: int | None, keys: Keys) -> Elsewhere:
    """Which posts other batches own than this one; than none, for a dry run."""
    return exactly_one(
        conn, Elsewhere, _OWNED_BY_OTHERS, {"batch_id": batch_id or _NOBODY, "keys": UuidArray(keys.keys)}
    )


async def async_owned_by_others(conn: AsyncConnection, batch_id: int, keys: Keys) -> Elsewhere:
    """`owned_by_others` for request handlers."""
    return await async_exactly_one(
        conn, Elsewhere, _OWNED_BY_OTHERS, {"batch_id": batch_id, "keys": UuidArray(keys.keys)}
    )


def link(conn: Connection, holder_id: int, owner_ids: list[int]) -> None:
    """Note that a batch holds posts of these batches, as far as they are of other uploads."""
    execute(conn, _INSERT_LINKS, {"holder_id": holder_id, "owner_ids": owner_ids})


def set_repeated(conn: Connection, batch_id: int, *, rows_repeated: int, ids_owned: int) -> None:
    """Enter into the ledger how many rows of a batch are repeated, and how many posts the batch owns."""
    execute(conn, _SET_REPEATED, {"batch_id": batch_id, "rows_repeated": rows_repeated, "ids_owned": ids_owned})
