"""Each input format has one reader here. The module is pure.

A reader finds how an upload begins, where the upload may be cut, and what the rows are.
"""

from __future__ import annotations

from typing import Protocol

from app.posts.json import jsonl
from app.posts.options import ColumnNames, Format
from app.posts.screening import Posts
from app.posts.tables import csv
from app.posts.tables.csvscan import Cut
from app.posts.tables.header import Header

LONGEST_ROW_SEARCH = 16 << 20
"""Bytes beyond a full batch in which a row must end; a file without would not fit in memory."""


class Reader(Protocol):
    """What csv.py does for CSV and jsonl.py for JSON Lines."""

    def read_header(self, head: bytes, *, final: bool, names: ColumnNames, delimiter: str) -> Header | None: ...

    def cut(self, data: bytes, *, delimiter: str, final: bool) -> Cut: ...

    def read(self, payload: bytes, form: Format, *, first_line: int) -> Posts: ...


READERS: dict[str, Reader] = {"csv": csv, "jsonl": jsonl, "json-array": jsonl, "json-pages": jsonl}
"""By InputFormat. `Source` makes one line of each element of a list and of each post of a page."""
