"""Users: every handle has one id, the first of its hashes that no other handle has.

Users are only ever added, so whoever looks, and whenever, finds the same id; two workers adding the same handle at once
wait for each other on the primary key. Two handles whose hashes collide get two ids: the row says whose it is.
"""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

import sql
from app.arrays import Int8Array, TextArray
from app.db import Connection, execute, one
from app.shards import handle_ids

_NOT_OURS = sql.query("users/not_ours")
_ADD = sql.query("users/add")

MAX_PROBES = 64
"""Hashes tried for one handle. With 64 bits, two of 10^9 handles share their first hash with a probability of 3 %."""


class _NotOurs(msgspec.Struct, frozen=True):
    """Positions of handles that do not have their id."""

    free: list[int]
    taken: list[int]


_NOBODY = pl.DataFrame(schema={"handle": pl.String, "id": pl.Int64})


class UserIds:
    """Ids of handles, adding those not yet known; remembers about `memory`, since few handles make most mentions."""

    def __init__(self, *, bits: int, memory: int) -> None:
        self._bits = bits
        self._memory = memory
        self._known = _NOBODY

    def of(self, conn: Connection, users: pl.DataFrame) -> pl.DataFrame:
        """`users` (handle, spelling; handles unique) -> (handle, id). Its writes are transactions of their own."""
        # Threads share this object: each reads one frame and sets another; what one forgets so is looked up again.
        remembered = self._known
        known = users.join(remembered, on="handle", how="left", maintain_order="left")
        resolved = [known.filter(pl.col("id").is_not_null()).select("handle", "id")]
        strangers = known.filter(pl.col("id").is_null()).select("handle", "spelling")
        for probe in range(MAX_PROBES):
            if strangers.is_empty():
                break
            strangers = strangers.with_columns(
                id=pl.Series(handle_ids(strangers["handle"], probe=probe, bits=self._bits))
            ).sort("id")
            taken = _taken(conn, strangers)
            resolved.append(strangers.filter(~taken).select("handle", "id"))
            strangers = strangers.filter(taken).select("handle", "spelling")
        else:
            if not strangers.is_empty():
                raise LookupError(f"{strangers['handle'][0]!r}: {MAX_PROBES} hashes of {self._bits} bits are all taken")
        self._known = pl.concat([remembered if len(remembered) < self._memory else _NOBODY, *resolved[1:]])
        return pl.concat(resolved)


def _taken(conn: Connection, users: pl.DataFrame) -> pl.Series:
    """For each of `users` (handle, spelling, id): whether another handle has its id. If nobody has it, it is added."""
    look = _look(conn, users)
    taken = look.taken
    if look.free:
        new = users[look.free]
        added = execute(
            conn,
            _ADD,
            {
                "ids": Int8Array(new["id"].to_numpy()),
                "handles": TextArray(new["handle"]),
                "spellings": TextArray(new["spelling"]),
            },
        )
        if added < len(new):
            # Others added some of them meanwhile, or two of them have one id: look again at whose they are.
            taken = taken + [look.free[position] for position in _look(conn, new).taken]
    mask = np.zeros(len(users), dtype=np.bool_)
    mask[taken] = True
    return pl.Series(mask)


def _look(conn: Connection, users: pl.DataFrame) -> _NotOurs:
    params = {"ids": Int8Array(users["id"].to_numpy()), "handles": TextArray(users["handle"])}
    return one(conn, _NotOurs, _NOT_OURS, params) or _NotOurs([], [])
