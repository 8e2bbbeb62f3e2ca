"""The totals of every user's mentions, made and received, and the users who are first in either.

Both weights of a user are held at one instant, that of the user's latest mention. A weight whose mentions are some 830
half-lives older is 0 there, and stays 0 at every instant.

Of each direction all users above a floor are held apart, in the order of their score, which decay does not change.
There are twice as many as can be asked for, so many can leave before every user must be looked at again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import polars as pl

import sql
from app.graph.groups import Numbers
from app.graph.half_life import HalfLife, in_microseconds, in_seconds
from app.store.params import Float8Array, Int8Array, TimestamptzArray
from app.store.postgres import Connection, execute, rows

_ADD = sql.query("summaries/user_totals/add")
_SUBTRACT = sql.query("summaries/user_totals/subtract")
_DELETE_EMPTY = sql.query("summaries/user_totals/delete_empty")
_CLEAR = sql.query("summaries/user_totals/clear")
_RECOUNT = sql.query("summaries/user_totals/recount")
_RESCORE = sql.query("summaries/user_totals/rescore")
_DROP_FALLEN = sql.query("summaries/user_totals/drop_fallen")
_HELD = sql.query("summaries/user_totals/held")
_TRIM = sql.query("summaries/user_totals/trim")
_CLEAR_TOP = sql.query("summaries/user_totals/clear_top")
_REFILL = sql.query("summaries/user_totals/refill")

FEWEST, KEPT, MOST = 1_000, 2_000, 4_000
"""Users held of a direction: beyond MOST they are cut to KEPT, and below FEWEST, which may be asked for, looked for."""

_COUNTS = ["mentions_made", "mentions_received", "self_mentions"]
_WEIGHTS = ["weight_made", "weight_received"]
SCHEMA = pl.Schema(
    {
        "user_id": pl.Int64,
        **dict.fromkeys(_COUNTS, pl.Int64()),
        **dict.fromkeys(_WEIGHTS, pl.Float64()),
        "weighed_at": pl.Datetime("us", "UTC"),
    }
)
"""Totals of users; weights as they are at weighed_at."""


class _Held(msgspec.Struct, frozen=True):
    direction: str
    floor: float
    held: int


def by_user(edges: Sequence[pl.DataFrame], half_life: HalfLife) -> pl.DataFrame:
    """The totals by user of edges that have a delta's columns, in the order of ids."""
    together = pl.concat(edges)
    sources, targets, counts = (together[name].to_numpy() for name in ("source_id", "target_id", "mention_count"))
    weights, instants = together["weight"].to_numpy(), together["weighed_at"].to_physical().to_numpy()
    user_ids, numbers = np.unique(np.concatenate([sources, targets]), return_inverse=True)
    by, of, users = numbers[: len(sources)], numbers[len(sources) :], len(user_ids)
    latest = _latest(np.concatenate([by, of]), np.concatenate([instants, instants]), users)
    others = sources != targets
    own, made = np.where(others, 0, counts), np.where(others, counts, 0)
    weights = np.where(others, weights, 0.0)
    # bincount adds up doubles, which are exact up to 2^53.
    totals = {
        "user_id": user_ids,
        "mentions_made": np.bincount(by, made, users),
        "mentions_received": np.bincount(of, made, users),
        "self_mentions": np.bincount(by, own, users),
        "weight_made": np.bincount(by, weights * _left(latest[by] - instants, half_life), users),
        "weight_received": np.bincount(of, weights * _left(latest[of] - instants, half_life), users),
        "weighed_at": latest,
    }
    return pl.DataFrame(totals).cast(SCHEMA)


def meet(totals: Sequence[pl.DataFrame], half_life: HalfLife) -> pl.DataFrame:
    """Sum totals by user, in the order of ids: counts add up, weights meet at their latest instant."""
    if len(totals) == 1:
        return totals[0]
    together = pl.concat([pl.DataFrame(schema=SCHEMA), *totals])
    user_ids, numbers = np.unique(together["user_id"].to_numpy(), return_inverse=True)
    instants, users = together["weighed_at"].to_physical().to_numpy(), len(user_ids)
    latest = _latest(numbers, instants, users)
    left = _left(latest[numbers] - instants, half_life)
    met = {
        "user_id": user_ids,
        **{name: np.bincount(numbers, together[name].to_numpy(), users) for name in _COUNTS},
        **{name: np.bincount(numbers, together[name].to_numpy() * left, users) for name in _WEIGHTS},
        "weighed_at": latest,
    }
    return pl.DataFrame(met).cast(SCHEMA)


def _latest(numbers: Numbers, instants: Numbers, users: int) -> Numbers:
    """Of each user the latest instant: of several values for one place, the last that is assigned stays."""
    order = np.argsort(instants, kind="stable")
    latest = np.empty(users, np.int64)
    latest[numbers[order]] = instants[order]
    return latest


def _left(age: Numbers, half_life: HalfLife) -> Numbers:
    """The share of a weight that is left after so many microseconds."""
    return np.exp2(age / -in_microseconds(half_life))


def apply(conn: Connection, added: pl.DataFrame, removed: pl.DataFrame, half_life: HalfLife, *, now: datetime) -> None:
    """Add totals to those of the users, and take others out of them. In a transaction; the summaries' lock is held."""
    if not added.is_empty():
        execute(conn, _ADD, {**_columns(added, half_life), **_light(conn, half_life, now), "most": MOST})
    if not removed.is_empty():
        _subtract(conn, removed, half_life)
    for held in rows(conn, _Held, _HELD):
        if held.held > MOST:
            execute(conn, _TRIM, {"direction": held.direction, "keep": KEPT})
        elif held.held < FEWEST and held.floor > -math.inf:
            _refill(conn, held.direction, half_life)


def _light(conn: Connection, half_life: HalfLife, now: datetime) -> dict[str, object]:
    """What a user who was weighed before an instant weighs, if on the floor; a little less, for rounding."""
    latest = now + timedelta(days=1)
    halvings = {
        each.direction: each.floor - latest.timestamp() / in_seconds(half_life) for each in rows(conn, _Held, _HELD)
    }
    light = {
        f"light_{direction}": 0.999 * 2.0 ** min(1000.0, max(-1000.0, each)) for direction, each in halvings.items()
    }
    return {**light, "latest": latest}


def recount(conn: Connection, half_life: HalfLife) -> None:
    """Make the totals anew of all edges. In a transaction; every shard is locked, and the summaries."""
    execute(conn, _CLEAR)
    execute(conn, _RECOUNT, {"half_life_seconds": in_seconds(half_life)})
    for held in rows(conn, _Held, _HELD):
        _refill(conn, held.direction, half_life)


def _subtract(conn: Connection, removed: pl.DataFrame, half_life: HalfLife) -> None:
    columns = _columns(removed, half_life)
    touched = execute(conn, _SUBTRACT, columns)
    if touched != len(removed):
        raise LookupError(f"{len(removed) - touched} users to take mentions out of have no totals")
    execute(conn, _DELETE_EMPTY, columns)
    execute(conn, _RESCORE, columns)
    execute(conn, _DROP_FALLEN, columns)


def _refill(conn: Connection, direction: str, half_life: HalfLife) -> None:
    execute(conn, _CLEAR_TOP, {"direction": direction})
    weighing = {"half_life_seconds": in_seconds(half_life)}
    execute(conn, _REFILL, {"direction": direction, "keep": KEPT, **weighing})


def _columns(totals: pl.DataFrame, half_life: HalfLife) -> dict[str, Any]:
    return {
        "user_ids": Int8Array(totals["user_id"].to_numpy()),
        **{name: Int8Array(totals[name].to_numpy()) for name in _COUNTS},
        "weights_made": Float8Array(totals["weight_made"].to_numpy()),
        "weights_received": Float8Array(totals["weight_received"].to_numpy()),
        "weighed_at": TimestamptzArray(totals["weighed_at"].dt.replace_time_zone(None).to_numpy()),
        "half_life_seconds": in_seconds(half_life),
    }
