"""Folded handle → 64-bit id → shard. Pure; the same answer in every process and for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

Ints: TypeAlias = npt.NDArray[np.int64]


MAX_SHARDS = 64
NOBODY = -(2**63)
"""No user has the lowest bigint as id: a walk over the edges begins after this number."""


def handle_ids(handles: pl.Series | Sequence[str], *, probe: int, bits: int) -> Ints:
    """XXH3-64 of each folded handle (UTF-8, seed `probe`) as a signed number; only the top `bits` bits, the rest zero.

    Fewer than 64 bits are for tests that want collisions; another probe gives a colliding handle its next candidate.
    """
    if not 1 <= bits <= 64:  # noqa: PLR2004
        raise ValueError(f"an id has 1 to 64 bits, not {bits}")
    names: list[bytes]
    if isinstance(handles, pl.Series):
        names = handles.cast(pl.Binary).to_list()
    else:
        names = [handle.encode() for handle in handles]
    digest: Callable[[bytes], int] = partial(xxhash.xxh3_64_intdigest, seed=probe)
    hashes = np.fromiter(map(digest, names), np.uint64, count=len(names))
    mask = np.uint64(2**64 - 2 ** (64 - bits))
    ids = (hashes & mask).view(np.int64)
    ids[ids == NOBODY] += 1
    return ids


def shard_of(ids: Ints, shards: int) -> npt.NDArray[np.int16]:
    """The shard of each id: one stretch of ids, in order, so that a merge touches one stretch of the B-tree."""
    width = _width(shards)
    if width == 0:
        return np.zeros(ids.shape, np.int16)
    return ((ids >> np.int64(64 - width)) + shards // 2).astype(np.int16)


def shard_of_id(user_id: int, shards: int) -> int:
    """The shard of one id."""
    return int(shard_of(np.array([user_id], np.int64), shards)[0])


def shard_range(shard: int, shards: int) -> tuple[int, int]:
    """Lowest and highest id of a shard, both of them in it."""
    size = 1 << (64 - _width(shards))
    if not 0 <= shard < shards:
        raise ValueError(f"there is no shard {shard} among {shards}")
    lowest = shard * size - 2**63
    return lowest, lowest + size - 1


def _width(shards: int) -> int:
    """The number of bits that say the shard."""
    if not 1 <= shards <= MAX_SHARDS or shards & (shards - 1):
        raise ValueError(f"the number of shards is a power of two up to {MAX_SHARDS}, not {shards}")
    return shards.bit_length() - 1
