"""What fuzzers begin with: the facts of the tests, bent a little, and cut into pieces as a network would cut them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import polars as pl
from hypothesis import strategies as st

from app.posts.containers.compression import compress
from tests.graph import mention_facts
from tests.posts import post_facts, reading_facts, test_jsonl, test_spellings
from tests.posts.workbooks import row, text, workbook, zipped

FIELD = Path(__file__).parents[1] / "field"
HEAD = 1200
"""Bytes of each field file."""
POSTS = b"data,timestamp,username\nhi @bea,2024-01-01T10:00:00Z,ana\nx,2024-01-02,cy\n"
SIGNS = (
    *(bytes([code]) for code in b'"\n\r,;\t|\0\xff{}[]\\0'),
    *("\ufeff".encode(), "＝\u202e".encode(), b"\\u0000", b"\xed\xa0\x80", b"\x80" * 8),
    *(b"'=", b"-1", b"99999999999999999999", b"1e999", b"null", b"\xff\xff\xff\xff", b"\0\0\0\0"),
    *(b" " * 40, b"a" * 300, b"[" * 200),
)


@cache
def tables() -> list[bytes]:
    """Files of CSV and JSON."""
    facts = [fact.data for fact in reading_facts.RIGHT]
    return facts + [
        file.read_bytes()[:HEAD] for file in sorted(FIELD.iterdir()) if file.suffix in {".csv", ".jsonl", ".json"}
    ]


@cache
def rows() -> list[bytes]:
    """Rows of CSV without a header."""
    return [fact.body for fact in post_facts.FACTS if len(fact.body) < HEAD]


@cache
def json_lines() -> list[bytes]:
    """Lines of JSON."""
    return [fact.body for fact in test_jsonl.FACTS if len(fact.body) < HEAD]


@cache
def documents() -> list[bytes]:
    """Values of JSON, one or several."""
    found = [each for each in tables() if each.lstrip(b"\xef\xbb\xbf")[:1] in {b"{", b"["}]
    return [*found, json.dumps([reading_facts.POST] * 3).encode(), b'{"data": [{"a": 1}, {"a": [2, {"b": "]"}]}]}']


@cache
def packed() -> list[bytes]:
    """Files in each container and compression."""
    parquet = io.BytesIO()
    pl.read_csv(POSTS).write_parquet(parquet)
    frames = compress(POSTS) + compress(b"") + compress(POSTS)
    sheet = workbook(
        row(text("data"), text("timestamp"), text("username")), row(text("@b"), text("2024-01-01"), text("a"))
    )
    zips = [
        zipped({"a.csv": POSTS, "b.jsonl": b"{}\n"}),
        zipped({"a.csv.gz": gzip.compress(POSTS)}),
        zipped({"a.csv": POSTS}, method=0),
    ]
    members = gzip.compress(POSTS, mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(POSTS, mtime=0)
    return [parquet.getvalue(), frames, sheet, *zips, members, bz2.compress(POSTS) * 2, lzma.compress(POSTS), POSTS]


@cache
def instants() -> list[str]:
    return [fact[0] for fact in test_spellings.FACTS]


@cache
def mentions() -> list[str]:
    named = [each for each in vars(mention_facts).values() if isinstance(each, list)]
    return [fact if isinstance(fact, str) else str(fact[0]) for facts in named for fact in facts]


_AT = st.integers(0, 10_000)
_BENDS = st.lists(
    st.tuples(
        st.sampled_from(["put", "over", "cut", "again", "flip"]), _AT, st.sampled_from(SIGNS) | st.binary(max_size=8)
    ),
    max_size=6,
)


def bent(corpus: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """An input of the corpus, after some changes; or bytes of no kind."""
    return st.builds(_bend, st.sampled_from(corpus), _BENDS) | st.binary(max_size=64)


def bent_text(corpus: Sequence[str]) -> st.SearchStrategy[str]:
    """A text of the corpus, after some changes; or any text, also with lone surrogates."""
    changed = bent([each.encode(errors="surrogatepass") for each in corpus]).map(
        lambda each: each.decode(errors="replace")
    )
    return changed | st.text(max_size=40) | st.text(st.characters(), max_size=12)


def _bend(data: bytes, bends: list[tuple[str, int, bytes]]) -> bytes:
    for how, place, piece in bends:
        at = place * (len(data) + 1) // 10_001
        match how:
            case "put":
                data = data[:at] + piece + data[at:]
            case "over":
                data = data[:at] + piece + data[at + len(piece) :]
            case "cut":
                data = data[:at] + data[at + 1 + 7 * len(piece) :]
            case "again":
                data = data[:at] + data[at : at + 60] * 2 + data[at + 60 :]
            case _:
                data = data[:at] + bytes(byte ^ 1 << len(piece) % 8 for byte in data[at : at + 1]) + data[at + 1 :]
    return data


CUTS = st.lists(_AT, max_size=6)


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The data in pieces, of which some may be empty."""
    places = sorted(cut * len(data) // 10_000 for cut in cuts)
    return [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True)]
