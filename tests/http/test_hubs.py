"""Pages that the edges held as the heaviest fill are those that all of a user's edges would."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import psycopg
import pytest

import sql
from app.graph import top_edges
from app.graph.deltas import DELTA_SCHEMA, sum_by_edge
from app.graph.edges import add_edges, subtract_edges
from app.graph.parameters import async_read_parameters, read_parameters
from app.graph.shards import shard_range
from app.reads import edges
from app.reads.edges import Mention
from app.reads.users import User
from app.reads.view import FIRST, Direction, Page, Position, View, seen
from app.store.postgres import Connection, async_rows, rows

WEEK = timedelta(days=7)
THEN = datetime(2026, 1, 1, 12, 34, 56, 789, tzinfo=UTC)
INSTANTS = [THEN, THEN + WEEK, THEN + timedelta(days=8, seconds=1), THEN + 2 * WEEK]
"""When edges are weighed: with four instants and few weights, many weigh the same."""
VIEWS = [THEN - WEEK, THEN + timedelta(days=3), THEN + WEEK, THEN + timedelta(days=15), THEN + timedelta(days=30)]
SHARDS = (1, 4, 6)
USERS = [shard_range(shard, 8)[0] + 1 + number for shard in SHARDS for number in range(8)]
HUBS = [USERS[3], USERS[12]]
SHORT = 20
"""Of some 2,000 pages at least so many come from held edges alone; most have too many of the same weight."""

Edge = tuple[int, int, int, datetime]


class Asked(NamedTuple):
    """What was asked of a user, and which statements were run for it."""

    found: list[Mention]
    statements: list[str]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("LEAST", 4), ("KEEP", 8), ("MOST", 12)):
        monkeypatch.setattr(top_edges, name, size)


@pytest.fixture
def users(domain: Connection) -> None:
    with domain.cursor() as cursor:
        cursor.executemany(
            "insert into users (id, handle, spelling) values (%s, %s, %s)", [(each, f"u{each}", "U") for each in USERS]
        )


def frame(edges: Sequence[Edge]) -> pl.DataFrame:
    made = [(source, target, 1, float(weight), at, THEN, THEN) for source, target, weight, at in edges]
    return sum_by_edge([pl.DataFrame(made, schema=DELTA_SCHEMA, orient="row")], half_life=WEEK)


def add(conn: Connection, edges: Sequence[Edge]) -> None:
    for shard in SHARDS:
        lowest, highest = shard_range(shard, 8)
        with conn.transaction():
            add_edges(conn, shard, frame([edge for edge in edges if lowest <= edge[0] <= highest]), WEEK)


def random_graph(conn: Connection, choose: random.Random) -> None:
    """Merges, and retractions of some of what was merged."""
    for _ in range(3):
        ends = {(choose.choice(USERS), choose.choice(choose.choice([USERS, HUBS]))) for _ in range(60)}
        ends |= {(hub, choose.choice(USERS)) for hub in HUBS for _ in range(5)}
        edges = [(*pair, choose.choice([1, 1, 3, 3, 7]), choose.choice(INSTANTS)) for pair in sorted(ends)]
        add(conn, edges)
        lowest, highest = shard_range(4, 8)
        taken = [edge for edge in edges if lowest <= edge[0] <= highest][::3]
        with conn.transaction():
            subtract_edges(conn, 4, frame(taken), read_parameters(conn))


def ask(
    dsn: str, monkeypatch: pytest.MonkeyPatch, questions: Sequence[tuple[int, Direction, View, Page, bool]]
) -> list[Asked]:
    """What `edges.mentions` says to each."""
    names = {sql.query(name): name for name in sql.names() if name.startswith("reads/edges/")}
    ran: list[str] = []

    async def noting(conn: Any, row: Any, statement: Any, params: Any = None) -> Any:
        ran.append(names[statement])
        return await async_rows(conn, row, statement, params)

    async def each() -> list[Asked]:
        said: list[Asked] = []
        async with await psycopg.AsyncConnection[Any].connect(dsn, autocommit=True) as conn:
            parameters = await async_read_parameters(conn)
            for user_id, direction, view, page, self_mentions in questions:
                ran.clear()
                user = User(user_id, "", "")
                found = await edges.mentions(
                    conn, user, parameters, view, page, direction=direction, self_mentions=self_mentions
                )
                said.append(Asked(found, [*ran]))
        return said

    with monkeypatch.context() as patch:
        patch.setattr(edges, "async_rows", noting)
        return asyncio.run(each())


def whole(conn: Connection, user_id: int, direction: Direction, view: View, *, self_mentions: bool) -> list[Mention]:
    """All of the list, by the statement that looks at every edge of the user."""
    parameters = read_parameters(conn)
    params = {
        "user_id": user_id,
        "outgoing": direction is Direction.OUTGOING,
        "self_mentions": self_mentions,
        **seen(view, parameters),
        "limit": 1000,
        "after_weight": FIRST.weight,
        "after_id": FIRST.user_id,
    }
    return rows(conn, Mention, sql.query("reads/edges/mentions"), params)


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize("seed", range(4))
def test_every_page_is_that_of_all_edges(
    domain: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(edges, "HELD_AT_FIRST", 1 + seed % 3)
    monkeypatch.setattr(edges, "HELD_BEHIND", 1 + 3 * (seed % 4))
    random_graph(domain, random.Random(seed))
    assert domain.execute("select count(*) from top_edge_floors").fetchone() == (len(SHARDS),)

    questions: list[tuple[int, Direction, View, Page, bool]] = []
    expected: list[list[Mention]] = []
    for user_id, direction, at, self_mentions in product(HUBS, Direction, VIEWS, [False, True]):
        view = View(at)
        every = whole(domain, user_id, direction, view, self_mentions=self_mentions)
        places = [FIRST, *(Position(each.place, each.id) for each in every)]
        for (behind, place), limit in product(enumerate(places), [1, 2, 4]):
            questions.append((user_id, direction, view, Page(limit, place), self_mentions))
            expected.append(every[behind : behind + limit])
    said = ask(dsn, monkeypatch, questions)

    assert [each.found for each in said] == expected
    assert sum(len(each.statements) == 1 for each in said) >= SHORT  # else it said nothing of them


@pytest.fixture
def hub(domain: Connection, users: None) -> int:  # noqa: ARG001 (there have to be any)
    """A user whom everybody mentions, nobody as heavily as another."""
    hub = HUBS[0]
    others = [each for each in USERS if each != hub]
    add(domain, [(other, hub, 10 + 2 * number, THEN) for number, other in enumerate(others)])
    for number, other in enumerate(USERS):
        add(domain, [(hub, other, 20 + 2 * number, THEN)])
    return hub


PAGE, LATER = Page(4), View(THEN + WEEK)


@pytest.mark.parametrize("direction", Direction)
def test_held_edges_fill_a_hubs_page(
    domain: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, hub: int, direction: Direction
) -> None:
    every = whole(domain, hub, direction, LATER, self_mentions=False)
    second = Page(2, Position(every[1].place, every[1].id))

    said = ask(
        dsn, monkeypatch, [(hub, direction, LATER, page, self) for page in (PAGE, second) for self in (False, True)]
    )

    assert [each.statements for each in said] == [[f"reads/edges/held_{direction}"]] * 4


@pytest.mark.parametrize("direction", Direction)
def test_all_edges_are_looked_at_where_others_may_be_heavier(
    dsn: str, monkeypatch: pytest.MonkeyPatch, hub: int, direction: Direction
) -> None:
    both = [f"reads/edges/held_{direction}", "reads/edges/mentions"]
    light = User(USERS[-1], "", "").id
    questions = {
        "more than are held": (hub, direction, LATER, Page(20), False),
        "a place below the floor": (hub, direction, LATER, Page(1, Position(5.0, 0)), False),
        "as heavy as they ever get": (hub, direction, View(THEN - 900 * WEEK), PAGE, False),
        "of no weight any more": (hub, direction, View(THEN + 900 * WEEK), PAGE, False),
        "not a page": (light, direction, LATER, PAGE, False),
    }

    said = ask(dsn, monkeypatch, [*questions.values()])

    assert {name: each.statements for name, each in zip(questions, said, strict=True)} == dict.fromkeys(questions, both)


def test_archived_edges_are_not_held(domain: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, hub: int) -> None:
    past = View(LATER.as_of, archived=None, past=True)
    views = [View(LATER.as_of, archived=True), past]

    said = ask(dsn, monkeypatch, [(hub, Direction.INCOMING, view, PAGE, False) for view in views])
    domain.execute(
        "insert into decay_runs (as_of, stale_before, archive_below, started_at, archived) "
        "values (%s, now(), 1, now(), 1)",
        [LATER.as_of + WEEK],
    )
    (later,) = ask(dsn, monkeypatch, [(hub, Direction.INCOMING, past, PAGE, False)])

    assert [each.statements for each in said] == [["reads/edges/mentions"], ["reads/edges/held_incoming"]]
    assert later.statements == ["reads/edges/mentions"]
    assert later.found == said[1].found


@pytest.mark.usefixtures("users")
def test_what_is_on_the_floor_weighs_as_much_as_what_is_held(
    domain: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, lower, higher = HUBS[0], USERS[0], USERS[-1]
    weighed_at = THEN + timedelta(hours=5, microseconds=12345)
    for source in (lower, higher):
        domain.execute("insert into edges values (%s, %s, 1, 3, %s, %s, %s)", [source, hub, *[weighed_at] * 3])
    (score,) = top_edges.score(np.array([3.0]), np.array([weighed_at.timestamp() * 1e6]), WEEK)
    domain.execute("insert into top_edges values (%s, %s, %s, %s)", [higher, hub, SHARDS[-1], float(score)])
    domain.execute("insert into top_edge_floors values (%s, %s, %s, %s)", [SHARDS[0], float(score), lower, hub])
    choose = random.Random(1)
    views = [View(THEN + timedelta(days=60 * choose.random())) for _ in range(50)]

    said = ask(dsn, monkeypatch, [(hub, Direction.INCOMING, view, Page(1), False) for view in views])

    assert {each.found[0].id for each in said} == {lower}
