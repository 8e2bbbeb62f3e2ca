from __future__ import annotations

import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.graph.shards import MAX_SHARDS, handle_ids, shard_of, shard_range
from app.posts.handles import fold, folded, spell, spelled
from app.store.locks import shard_key

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
IDS = st.integers(-(2**63), 2**63 - 1)
SHARDS = st.sampled_from([1, 2, 4, 8, 16, 32, 64])


@pytest.mark.parametrize(
    ("handle", "folded_handle"),
    [
        ("Alice", "alice"),
        ("@Alice", "alice"),
        (" @Alice\n", "alice"),
        ("＠ Alice", "alice"),
        ("\u3000ÅSA\u00a0", "åsa"),
        ("ΟΔΟΣ", "οδος"),
        ("İ", "i̇"),
        ("@@x", "@x"),
        ("@", ""),
        ("  ", ""),
        ("Ann Lee", "ann lee"),
    ],
)
def test_fold(handle: str, folded_handle: str) -> None:
    assert fold(handle) == folded_handle


@given(TEXT)
def test_one_handle_folds_as_a_column_does(handle: str) -> None:
    column = pl.DataFrame({"h": [handle]})
    assert column.select(spelled(pl.col("h"))).item() == spell(handle)
    assert column.select(folded(spelled(pl.col("h")))).item() == fold(handle)


def test_every_character_folds_alike() -> None:
    characters = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF]
    around = pl.Series([f"{character}@a{character}" for character in characters])
    frame = around.to_frame("h").select(s=spelled(pl.col("h")))
    assert frame["s"].to_list() == [spell(handle) for handle in around.to_list()]


@given(TEXT)
def test_folding_what_is_folded_changes_nothing(handle: str) -> None:
    once = fold(handle)
    if not once.startswith(("@", "＠")):
        assert fold(once) == once


def test_ids_are_for_ever() -> None:
    # A change here gives every user in every database another id.
    assert handle_ids(["alice", "åsa", ""], probe=0, bits=64).tolist() == [
        5_593_767_425_381_308_080,
        2_286_764_034_322_852_664,
        3_244_421_341_483_603_138,
    ]


@given(st.lists(TEXT, max_size=5), st.integers(0, 9), st.integers(1, 64))
def test_fewer_bits_keep_the_top(handles: list[str], probe: int, bits: int) -> None:
    whole = handle_ids(handles, probe=probe, bits=64)
    cut = handle_ids(pl.Series(handles, dtype=pl.String), probe=probe, bits=bits)
    assert cut.dtype == np.int64
    top = [number >> (64 - bits) << (64 - bits) for number in whole.tolist()]
    assert cut.tolist() == [max(number, -(2**63) + 1) for number in top]


def test_the_lowest_bigint_is_nobodys_id() -> None:
    ids = handle_ids([f"user{number}" for number in range(20)], probe=0, bits=1).tolist()

    assert set(ids) == {-(2**63) + 1, 0}


def test_another_probe_gives_another_id() -> None:
    assert len({int(handle_ids(["alice"], probe=probe, bits=64)[0]) for probe in range(100)}) == 100


@pytest.mark.parametrize("bits", [0, 65, -1])
def test_impossible_bits_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="1 to 64 bits"):
        handle_ids(["a"], probe=0, bits=bits)


@given(st.lists(IDS), SHARDS)
def test_a_shard_is_the_stretch_of_ids_it_says(ids: list[int], shards: int) -> None:
    numbers = np.array(sorted(ids), np.int64)
    found = shard_of(numbers, shards)
    assert found.dtype == np.int16
    assert found.tolist() == sorted(found.tolist())
    for number, shard in zip(numbers.tolist(), found.tolist(), strict=True):
        lowest, highest = shard_range(shard, shards)
        assert lowest <= number <= highest


@given(SHARDS)
def test_shards_cover_every_id_once(shards: int) -> None:
    ranges = [shard_range(shard, shards) for shard in range(shards)]
    assert ranges[0][0] == -(2**63)
    assert ranges[-1][1] == 2**63 - 1
    assert [low for low, _ in ranges[1:]] == [high + 1 for _, high in ranges[:-1]]


@pytest.mark.parametrize("shards", [0, -1, 3, 65, 128])
def test_impossible_numbers_of_shards_are_refused(shards: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        shard_of(np.zeros(1, np.int64), shards)
    with pytest.raises(ValueError, match="power of two"):
        shard_range(0, shards)


def test_a_shard_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no shard 8 among 8"):
        shard_range(8, 8)
    with pytest.raises(ValueError, match="there is no shard -1"):
        shard_key(-1)


def test_lock_keys_are_distinct_bigints() -> None:
    keys = [shard_key(shard) for shard in range(MAX_SHARDS)]
    assert len(set(keys)) == MAX_SHARDS
    assert all(0 < key < 2**63 for key in keys)
