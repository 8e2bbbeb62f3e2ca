"""Whatever bytes arrive, and wherever they are cut: the rows that are staged are the rows that a worker receives."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.ledger import staging
from app.posts.containers.compression import decompress
from app.posts.options import Format
from app.posts.readers import READERS

FORMS = {"csv": Format(",", 3, 0, 1, 2), "jsonl": Format("", 3, 0, 1, 2, ("data", "timestamp", "username"))}
PIECES = [
    b'"', b'"', b",", b"\n", b"\n", b"\r", b"\r\n", b" ", b"a", b"\xff", b"\0", b"a,2024-05-01,x\n",
    b'"a\nb",2024-05-01,x\n',
    b'{"data":"a","timestamp":"2024-05-01","username":"x"}\n', b"{}\n",
]  # fmt: skip
BYTES = st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join) | st.binary(max_size=80)


@given(kind=st.sampled_from(sorted(FORMS)), data=BYTES, most_lines=st.integers(1, 20))
@examples(max_examples=400)
def test_the_rows_that_are_staged_are_those_that_are_received(kind: str, data: bytes, most_lines: int) -> None:
    reader, form = READERS[kind], FORMS[kind]
    found = reader.cut(data, delimiter=form.delimiter, final=True)
    left, lines, rows = data, found.lines, found.rows
    received = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "MOST_LINES", most_lines)
        while left:
            part = staging._first_part(left, lines, rows, form, reader)
            posts = reader.read(decompress(part.payload), form, first_line=1)
            assert part.rows == posts.frame.height + posts.rejects.height
            left, lines, rows = left[len(part.data) :], lines - part.lines, rows - part.rows
            received += part.rows
    assert (lines, rows) == (0, 0)
    assert received == found.rows
