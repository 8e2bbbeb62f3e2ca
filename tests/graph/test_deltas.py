"""Deltas: their edges by id, the kinds of their mentions, and their sum."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from app.errors import BadRequest
from app.graph.deltas import DELTA_SCHEMA, by_id, pack, sum_by_edge, unpack_kinds
from app.graph.kinds import KINDS
from app.graph.profiles import PROFILES, profile_named
from app.graph.shards import handle_ids, shard_of

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def delta(source: int, target: int, mentions: int, at: datetime) -> pl.DataFrame:
    return pl.DataFrame([(source, target, mentions, float(mentions), at, at, at)], schema=DELTA_SCHEMA, orient="row")


@pytest.mark.parametrize("kinds", [(), tuple(KINDS)])
def test_edges_by_id_have_the_kinds_that_were_counted(kinds: tuple[str, ...]) -> None:
    counted = pl.DataFrame({"source": [1, 0], "target": [0, 1]}).hstack(
        pl.concat([delta(0, 0, 1, NOW), delta(0, 0, 2, NOW)]).select(DELTA_SCHEMA.names()[2:])
    )
    counted = counted.with_columns(pl.lit(3, pl.UInt32).alias(name) for name in kinds)

    found = by_id(counted, np.array([7, -7], np.int64))

    assert found.columns == [*DELTA_SCHEMA.names(), *kinds]
    assert found.select("source_id", "target_id", "mention_count").rows() == [(-7, 7, 1), (7, -7, 2)]
    of_kind = 3 if kinds else 0
    assert unpack_kinds(pack(found)).row(0) == (-7, 7, *[of_kind] * len(KINDS))


def test_deltas_add_up_by_edge_and_weights_meet_at_the_latest_instant() -> None:
    none = sum_by_edge([], half_life=WEEK)
    assert (none.schema, len(none)) == (DELTA_SCHEMA, 0)
    alone = delta(1, 2, 3, NOW)
    assert sum_by_edge([alone], half_life=WEEK).equals(alone)

    whole = sum_by_edge([alone, delta(1, 9, 8, NOW), delta(1, 2, 4, NOW - WEEK), delta(0, 5, 1, NOW)], half_life=WEEK)

    assert whole.rows() == [
        (0, 5, 1, 1.0, NOW, NOW, NOW),
        (1, 2, 7, 5.0, NOW, NOW - WEEK, NOW),
        (1, 9, 8, 8.0, NOW, NOW, NOW),
    ]


def test_a_profile_has_its_name_and_other_names_are_refused() -> None:
    assert profile_named("github") is PROFILES["github"]
    with pytest.raises(BadRequest, match="no mention profile 'x'"):
        profile_named("x")


def test_a_column_and_a_list_of_handles_have_the_same_ids_and_one_shard_has_all() -> None:
    names = ["ann", "zoë"]
    ids = handle_ids(pl.Series(names), probe=0, bits=64)

    assert ids.tolist() == handle_ids(names, probe=0, bits=64).tolist()
    assert shard_of(np.array([-5, 5], np.int64), 1).tolist() == [0, 0]
