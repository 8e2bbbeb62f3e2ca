"""What a fact about a preset is, and how its files are written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.posts.looking.reading import Given

Edges = dict[tuple[str, str], int]


class Fact(NamedTuple):
    preset: str
    name: str
    data: bytes
    edges: Edges
    kinds: Sequence[tuple[str, str, str]] = ()
    instants: Sequence[str] = ()
    ids: Sequence[str | None] = ()
    rejects: Sequence[str] = ()
    given: Given = Given()


def lines(*objects: Any) -> bytes:
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in objects)


def pretty(found: Any) -> bytes:
    return json.dumps(found, indent=2).encode()


def table(columns: str, *rows: Mapping[str, str], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns.split(","), restval="", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
