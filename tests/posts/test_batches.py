"""Whatever a file looks like, any cut into pieces and batches gives the same posts, rejects and edges."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from app.graph.mentions import count
from app.graph.profiles import PROFILES
from app.posts.options import Clock, Format, Retweets
from app.posts.readers import READERS
from app.posts.screening import Posts

CSV = Format(",", 3, 0, 1, 2, ("text", "at", "who"), any_instant=True, placeholders=False, date_order="day-first")
FORMS = {
    "csv": CSV,
    "csv, one delimiter more": Format(
        ",", 3, 0, 1, 2, ("text", "at", "who"), surplus=True, any_instant=True, date_order="month-first"
    ),
    "csv, further columns": Format(
        ",", 5, 0, 1, 2, further={"mentions": 3, "reply": 4}, any_instant=True, timezone="Europe/Berlin"
    ),
    "csv, one author": Format(",", 2, 0, 1, -1, author_is="ana", any_instant=True, timestamp_format="%d/%m/%Y"),
    "csv, a list of edges": Format(",", 3, -1, 1, 0, further={"mentions": 2}, any_instant=True),
    "jsonl": Format(
        "", 4, 0, 1, 2, ("t", "at", "u.n"), any_instant=True, date_order="day-first",
        paths={"text": "t", "timestamp": "at", "author": "u.n", "mentions": "m[].n", "reply": "r"},
    ),
}  # fmt: skip
CELLS = st.sampled_from(
    ["hi @b @Cé", "RT @d: @e", "@f", "ana", "NULL", "31/12/2023", "12/31/2023", "1/2/2024", "2024-03-31 02:30",
     "1704103200",
     "Wed Oct 10 20:19:24 +0000 2018", "", " ", '"a\n@b"', '"', '"x"y', "['b', 'c']", "b;c", "@"],
)  # fmt: skip
ROWS = st.lists(CELLS, max_size=6).map(",".join)
OBJECTS = st.sampled_from(
    ['{"t":"hi @b","at":"31/12/2023","u":{"n":"ana"},"m":[{"n":"b"}]}',
     '{"t":"@c","at":1704103200,"u":{"n":"b"},"r":"d"}',
     '{"t":["x"],"at":"1/2/2024","u":{"n":5}}', '{"at":"12/31/2023","u":{"n":"ana"}}', '{"u":null}',
     "{", "", "[]", "{}{}"],
)  # fmt: skip


def batches(kind: str, data: bytes, steps: list[int]) -> Iterator[tuple[bytes, int]]:
    reader = READERS[kind]
    held, first, at = b"", 1, 0
    for step in [*steps, len(data)]:
        held += data[at : at + step]
        at += step
        found = reader.cut(held, delimiter=",", final=at >= len(data))
        if found.end:
            yield held[: found.end], first
        held, first = held[found.end :], first + found.lines


def edges(posts: list[Posts]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for each in posts:
        counted = count(
            each.frame,
            profile=PROFILES["twitter"],
            clock=Clock.ARRIVAL,
            received_at=datetime(2026, 11, 30, tzinfo=UTC),
            half_life=timedelta(days=7),
            retweets=Retweets.AUTHOR,
        )
        for source, target, mentions in counted.named().select("source", "target", "mention_count").iter_rows():
            found[source, target] = found.get((source, target), 0) + mentions
    return found


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=30)
@given(data=st.data(), end=st.sampled_from(["\n", "\r\n"]), steps=st.lists(st.integers(1, 60), max_size=8))
def test_any_cut_gives_the_same(name: str, data: st.DataObject, end: str, steps: list[int]) -> None:
    kind, form = name.partition(",")[0], FORMS[name]
    rows = data.draw(st.lists(OBJECTS if kind == "jsonl" else ROWS, min_size=1, max_size=8))
    file = end.join(rows).encode() + data.draw(st.sampled_from([b"", end.encode(), b",\xff,\n"]))

    reader = READERS[kind]
    whole = [reader.read(part, form, first_line=first) for part, first in batches(kind, file, [])]
    parts = [reader.read(part, form, first_line=first) for part, first in batches(kind, file, steps)]

    assert sum(each.rows for each in whole) == sum(each.rows for each in parts)
    assert edges(whole) == edges(parts)
    for held in ("frame", "rejects"):
        frames = [[getattr(each, held) for each in some if len(getattr(each, held))] for some in (whole, parts)]
        assert bool(frames[0]) == bool(frames[1])
        if frames[0]:
            assert_frame_equal(*(pl.concat(each) for each in frames))
