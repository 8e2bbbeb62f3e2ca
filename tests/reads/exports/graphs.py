"""Random graphs with handles that formats choke on, and a slow, plain account of what an export of one has to hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import psycopg
from hypothesis import strategies as st

from app.reads.exports.selection import Selection

HALF_LIFE = timedelta(days=7)
_AWKWARD = [
    *"=+-@'\"\\<>&,;\t\r\n\v\f\b \x01\x1b\x1f\x7f\x85\u2028\ufeff\ufffe\uffff＝＠é中🦉\U0010ffff",
    "]]>", "<!--", "&amp;", "=1+1", "\\N", "\\.", "\\t", '""', "null", "%s", "{}",
]  # fmt: skip

_anything = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
handles = st.lists(st.sampled_from(_AWKWARD) | _anything, min_size=1, max_size=6).map("".join)
_EARLIEST, _LATEST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
_START = datetime(2026, 1, 1, tzinfo=UTC)
_offsets = st.integers(0, 60 * 86_400 * 10**6).map(lambda micros: _START + timedelta(microseconds=micros))
instants = _offsets | st.sampled_from([_EARLIEST, _LATEST, _START])


class User(NamedTuple):
    id: int
    handle: str
    spelling: str


class Edge(NamedTuple):
    source: User
    target: User
    mention_count: int
    weight: float
    weighed_at: datetime
    first_seen: datetime
    last_seen: datetime
    archived_at: datetime | None

    def effective(self, as_of: datetime) -> float:
        age = (as_of - self.weighed_at) / HALF_LIFE
        weight = self.weight * 2.0 ** min(950.0, max(-950.0, -age))
        return 0.0 if weight < 1e-250 else min(1e250, weight)


class Graph(NamedTuple):
    users: list[User]
    edges: list[Edge]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to 8 users, some alone, and up to 20 edges between them, some in the archive."""
    spellings = draw(st.lists(handles, unique=True, min_size=1, max_size=8))
    ids = draw(st.lists(st.integers(-(2**63) + 1, 2**63 - 1), unique=True, min_size=8, max_size=8))
    users = [User(ids[n], f"{spelling.lower()}{n}", spelling) for n, spelling in enumerate(spellings)]
    ends = st.tuples(st.sampled_from(users), st.sampled_from(users))
    edges = [
        Edge(
            *pair,
            mention_count=draw(st.integers(1, 10**9)),
            weight=draw(st.floats(1e-9, 1e9)),
            weighed_at=draw(instants),
            first_seen=draw(instants),
            last_seen=draw(instants),
            archived_at=draw(st.none() | instants),
        )
        for pair in draw(st.lists(ends, unique=True, max_size=20))
    ]
    return Graph(users, edges)


@st.composite
def selections(draw: st.DrawFn, graph: Graph) -> Selection:
    """Any of the filters, together."""
    ids = st.lists(st.sampled_from([user.id for user in graph.users]), min_size=1, max_size=2)
    return Selection(
        as_of=draw(instants),
        min_weight=draw(st.none() | st.floats(1e-6, 1e6)),
        since=draw(st.none() | instants),
        until=draw(st.none() | instants),
        around=draw(st.none() | ids.map(tuple)),
        depth=draw(st.integers(0, 2)),
        touching=draw(st.booleans()),
        archived=draw(st.none() | st.booleans()),
        archived_after=draw(st.none() | instants),
        self_mentions=draw(st.booleans()),
    )


def selected(graph: Graph, asked: Selection) -> list[Edge]:
    """The edges that an export holds."""
    if asked.archived is None and graph.edges and all(edge.archived_at for edge in graph.edges):
        asked = msgspec.structs.replace(asked, archived=True)
    passing = [edge for edge in graph.edges if _passes(edge, asked)]
    if asked.around is None:
        return passing
    near = set(asked.around)
    for _ in range(asked.depth):
        reached = [edge for edge in passing if {edge.source.id, edge.target.id} & near]
        near |= {user.id for edge in reached for user in (edge.source, edge.target)}
    enough = any if asked.touching else all
    return [edge for edge in passing if enough(user.id in near for user in (edge.source, edge.target))]


def _passes(edge: Edge, asked: Selection) -> bool:
    return (
        (edge.archived_at is None or _from_the_archive(edge.archived_at, asked))
        and (asked.self_mentions or edge.source != edge.target)
        and (asked.since is None or edge.last_seen >= asked.since)
        and (asked.until is None or edge.first_seen < asked.until)
        and edge.effective(asked.as_of) > 0
        and (asked.min_weight is None or edge.effective(asked.as_of) >= asked.min_weight)
    )


def _from_the_archive(archived_at: datetime, asked: Selection) -> bool:
    if asked.archived is None:
        return asked.archived_after is not None and archived_at > asked.archived_after
    return asked.archived


def store(conn: psycopg.Connection[Any], graph: Graph) -> None:
    """Make it the graph of this database."""
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute("TRUNCATE users, edges, edges_archive")
        cursor.executemany("INSERT INTO users VALUES (%s, %s, %s)", graph.users)
        cursor.executemany(
            "INSERT INTO edges VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(edge.source.id, edge.target.id, *edge[2:7]) for edge in graph.edges if edge.archived_at is None],
        )
        cursor.executemany(
            "INSERT INTO edges_archive VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [(edge.source.id, edge.target.id, *edge[2:]) for edge in graph.edges if edge.archived_at is not None],
        )
