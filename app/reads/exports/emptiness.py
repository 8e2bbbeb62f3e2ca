"""This module tells why an export has no edges: nothing was applied, or which filter leaves all of them out."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from psycopg import ClientCursor

import sql
from app.reads.exports.selection import Selection
from app.store.postgres import Connection

_ANY_EDGE = sql.query("reads/exports/emptiness/any_edge")


class Empty(StrEnum):
    """Why an export has no edges. Of several reasons that apply, an export names the first."""

    NOTHING = "graph-is-empty"
    ARCHIVED = "all-archived"
    MIN_WEIGHT = "all-too-light"
    WEIGHTLESS = "all-weigh-nothing"
    SINCE = "all-too-old"
    UNTIL = "all-too-new"
    AROUND = "none-around-the-users"
    SELF_MENTIONS = "only-self-mentions"
    SEVERAL = "several-filters"


class Reason(msgspec.Struct, frozen=True):
    """One row of the table of reasons; the documents are made from it."""

    said: str
    """What is so. It goes into XML comments, so it has no two hyphens in a row."""
    to_do: str
    option: str
    """What to do, on the command line."""


REASONS: dict[Empty, Reason] = {
    Empty.NOTHING: Reason(
        "The graph has no edges: no upload with a mention is applied.",
        "Look at `GET /uploads`.",
        "Look at `mentiongraph status`.",
    ),
    Empty.ARCHIVED: Reason(
        "Every edge of this selection is archived, because its weight has decayed.",
        "Add `archived=true`.",
        "Add --archived.",
    ),
    Empty.MIN_WEIGHT: Reason(
        "Every edge of this selection weighs less than the least weight asked for.",
        "Lower `min_weight`, or set `as_of`.",
        "Lower --min-weight, or set --as-of.",
    ),
    Empty.WEIGHTLESS: Reason(
        "Every edge of this selection weighs nothing at the instant asked for: it is too many half-lives away.",
        "Set `as_of` to an instant near the posts.",
        "Set --as-of to an instant near the posts.",
    ),
    Empty.SINCE: Reason(
        "Every edge of this selection had its last mention before the instant asked for.",
        "Set an earlier `since`.",
        "Set an earlier --since.",
    ),
    Empty.UNTIL: Reason(
        "Every edge of this selection had its first mention at the instant asked for or later.",
        "Set a later `until`.",
        "Set a later --until.",
    ),
    Empty.AROUND: Reason(
        "No edge of this selection is in the surroundings of the users asked for.",
        "Raise `depth`, or add `touching=true`.",
        "Raise --depth, or add --touching.",
    ),
    Empty.SELF_MENTIONS: Reason(
        "This selection has only mentions of users by themselves.",
        "Add `self_mentions=true`.",
        "Add --self-mentions.",
    ),
    Empty.SEVERAL: Reason(
        "The filters leave out every edge together; no single filter does.",
        "Leave out filters one by one.",
        "Leave out filters one by one.",
    ),
}
"""What each reason means and what to do about it."""

_WITHOUT: dict[Empty, dict[str, Any]] = {
    Empty.ARCHIVED: {"archived": True},
    Empty.MIN_WEIGHT: {"min_weight": None},
    Empty.SINCE: {"since": None},
    Empty.UNTIL: {"until": None},
    Empty.AROUND: {"around": None},
    Empty.SELF_MENTIONS: {"self_mentions": True},
}
"""What a selection is like without the filter."""


def why_empty(conn: Connection, selection: Selection, half_life_seconds: float) -> Empty:
    """Why a selection without edges has none, by what it would have without one of its filters."""
    relaxed = {code: msgspec.structs.replace(selection, **fields) for code, fields in _WITHOUT.items()}
    everything = msgspec.structs.replace(
        selection, **{name: value for fields in _WITHOUT.values() for name, value in fields.items()}
    )
    if not _has_edges(conn, everything, half_life_seconds, weightless=True):
        return Empty.NOTHING
    for code in Empty:
        if code is Empty.WEIGHTLESS and _has_edges(conn, selection, half_life_seconds, weightless=True):
            return code
        without = relaxed.get(code, selection)
        if without != selection and _has_edges(conn, without, half_life_seconds):
            return code
    return Empty.SEVERAL


def _has_edges(conn: Connection, selection: Selection, half_life_seconds: float, *, weightless: bool = False) -> bool:
    """Whether the selection has edges, with `weightless` also such whose effective weight is 0."""
    parameters = selection.parameters(half_life_seconds) | ({"weighty_after": None} if weightless else {})
    with ClientCursor[tuple[bool]](conn) as cursor:
        row = cursor.execute(_ANY_EDGE, parameters).fetchone()
    return bool(row and row[0])
