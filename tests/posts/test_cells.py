"""Cells that list handles, in whatever way tools write lists."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.posts.tables.cells import cells_of_mentions, handles_in, lists_of, single_handles


@pytest.mark.parametrize(
    ("cell", "handles"),
    [
        ("bea", ["bea"]),
        ("@bea", ["bea"]),
        ("@bea @cyd", ["bea", "cyd"]),
        ("bea,cyd", ["bea", "cyd"]),
        ("@bea, @cyd;@dov|eva", ["bea", "cyd", "dov", "eva"]),
        ("bea@social.example cyd@other.example", ["bea@social.example", "cyd@other.example"]),
        ("Bea Brown, Cyd Charisse", ["Bea Brown", "Cyd Charisse"]),
        ("Bea Brown; Cyd ;", ["Bea Brown", "Cyd"]),
        ("@bea @cyd, @dov", ["bea", "cyd", "dov"]),
        ("bea\ncyd", ["bea", "cyd"]),
        ("[User(username='bea', id=1, displayname='B, id=2'), User(username='cyd', id=2)]", ["bea", "cyd"]),
        ("User(id=1, displayname=\"username='x'\", username='bea')", ["bea"]),
        ("[User(id=1, rank=2)]", []),
        ("＠bea", ["bea"]),
        ("北京青年,李-四", ["北京青年", "李-四"]),
        ('["bea", "@cyd"]', ["bea", "cyd"]),
        ("['bea', 'cyd']", ["bea", "cyd"]),
        ("('bea', 'cyd')", ["bea", "cyd"]),
        ("{'bea'}", ["bea"]),
        ('[{"username": "bea", "id": "1"}, {"username": "cyd"}]', ["bea", "cyd"]),
        ("[{'screen_name': 'bea', 'name': 'Bea B', 'id': '2'}]", ["bea"]),
        ('{"acct": "bea@social.example"}', ["bea@social.example"]),
        ("[bea, cyd]", ["bea", "cyd"]),
        ('[null, 5, {"id": 1}, ""]', []),
        ("[]", []),
        ("{}", []),
        ("NA", []),
        ("nan", []),
        ("None", []),
        (r"\N", []),
        ("-", []),
        ("", []),
        ("  ", []),
        ("@", []),
        ("[" * 5000, []),
        ("x" * 100_000, ["x" * 100_000]),
        ("x" * 100_001, []),
        ("123, 456", ["123", "456"]),
        ("(5)", ["5"]),
        ("[User(id=1, tags=['bea'])]", []),
    ],
)
def test_a_cell_lists_handles(cell: str, handles: list[str]) -> None:
    assert handles_in(cell) == handles


@pytest.mark.parametrize(
    ("cell", "handle"),
    [("bea", "bea"), ("@bea", "bea"), (" Bea B ", "Bea B"), ("[{'screen_name': 'bea'}, {'screen_name': 'cyd'}]", "bea"),
     ("[]", None), ("NA", None), ("nan", None), ("", None), (None, None)],
)  # fmt: skip
def test_a_cell_holds_one_handle(cell: str | None, handle: str | None) -> None:
    assert single_handles(pl.Series("reply", [cell], pl.String)).to_list() == [handle]


SINGLE = ("bea", "@bea", "＠bea", " Bea B ", "bea, cyd", '"bea"', "@", "", "NA", "@na", "'nan'", "-", None)


def test_a_handle_is_read_alike_beside_a_list() -> None:
    beside = single_handles(pl.Series("reply", [*SINGLE, "['cyd']"], pl.String))

    assert beside.to_list() == [*single_handles(pl.Series("reply", SINGLE, pl.String)), "cyd"]


@given(st.lists(st.none() | st.text(max_size=8), max_size=5))
def test_a_column_lists_what_its_cells_do(cells: list[str | None]) -> None:
    found = cells_of_mentions(pl.Series("mentions", cells, pl.String))
    assert found.to_list() == [None if cell is None else (handles_in(cell) or None) for cell in cells]
    assert lists_of([]).dtype == pl.List(pl.String)
