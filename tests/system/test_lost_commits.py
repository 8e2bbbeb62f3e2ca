"""Commits whose answer is lost on the way: they may have happened, and only the ledger knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.errors import Problem
from app.graph import counting, merging
from app.graph.parameters import read_parameters
from app.graph.users import UserIds
from app.ledger import receiving, transitions
from app.ledger.receiving import Arriving, Received
from app.posts.containers.compression import decoder
from app.posts.options import Options
from app.settings import Settings
from app.store import postgres
from ops.chaos.links import Links
from ops.embedded.children import free_ports
from tests.graphs import apply_all, edges
from tests.uploading import posts_csv, upload

pytestmark = pytest.mark.system

PROBLEM = Problem(type="urn:mentiongraph:problem:test", title="The connection was lost", status=500, detail="")


class Line:
    """A way to PostgreSQL on which the answers to commits can be lost."""

    def __init__(self, links: Links, port: int, settings: Settings) -> None:
        self._links, self._port = links, port
        there = make_conninfo(settings.database_url, host="127.0.0.1", hostaddr="127.0.0.1", port=port)
        self.settings = msgspec.structs.replace(settings, database_url=there)

    def losing_commit(self, number: int) -> AbstractContextManager[None]:
        """Of the commits on this line, the answer to this one is lost, and its connection with it."""
        return self._links.rule("lose", self._port, needle="COMMIT", only=number)


@pytest.fixture
def line(settings: Settings, tmp_path: Path) -> Generator[Line]:
    control, port = free_ports(2)
    links = Links({port: int(str(conninfo_to_dict(settings.database_url)["port"]))}, control, tmp_path / "proxy.log")
    links.child.start()
    yield Line(links, port, settings)
    links.child.stop()


def rows(conn: psycopg.Connection[Any], statement: str) -> list[Any]:
    return [row[0] for row in conn.execute(statement.encode()).fetchall()]


def send(settings: Settings, content: bytes, now: datetime) -> Received:
    """Receive it, in several batches, as the API does."""

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 200):
            yield content[start : start + 200]

    async def receive() -> Received:
        async with postgres.async_pool(settings.database_url, role="test", size=3, statement_timeout=30) as pool:
            return await receiving.receive(
                pool,
                Arriving(body(), decoder(None), Options()),
                settings=settings,
                received_by="test",
                clock=lambda: now,
            )

    return asyncio.run(receive())


def posts(now: datetime) -> bytes:
    return posts_csv([(f"@ada {number}", now, "bob") for number in range(15)])


# Its entry, its first batch, its seal with the second: each in turn; a fourth there is none.
@pytest.mark.parametrize("number", range(1, 5))
def test_an_upload_is_entered_staged_and_sealed_once(
    line: Line, conn: psycopg.Connection[Any], now: datetime, number: int
) -> None:
    small = msgspec.structs.replace(line.settings, batch_bytes=400)
    with line.losing_commit(number):
        received = send(small, posts(now), now)

    assert not received.earlier
    assert rows(conn, "SELECT id FROM uploads") == [received.upload_id]
    assert rows(conn, "SELECT to_state FROM ledger_events WHERE batch_id IS NULL ORDER BY id") == [
        "receiving",
        "staged",
    ]
    assert rows(conn, "SELECT ordinal FROM batches ORDER BY ordinal") == [0, 1]
    apply_all(small, now=now)
    assert [held.mention_count for held in edges(conn, now).values()] == [15]


def test_a_duplicate_is_answered_with_the_earlier_upload(line: Line, now: datetime) -> None:
    earlier = send(line.settings, posts(now), now)

    with line.losing_commit(2):
        later = send(line.settings, posts(now), now)

    assert later == Received(earlier.upload_id, earlier=True, own_id=later.own_id)
    assert later.own_id != earlier.upload_id


def test_a_count_and_a_merge_that_were_committed_unheard_are_not_done_twice(
    line: Line, conn: psycopg.Connection[Any], settings: Settings, now: datetime
) -> None:
    upload(settings, posts_csv([("@ada", now, "bob")]), received_at=now)
    [batch] = rows(conn, "SELECT id FROM batches")
    user_ids = UserIds(bits=64, memory=100)

    with postgres.connect(line.settings.database_url, role="test") as there:
        parameters = read_parameters(there)
        claim = transitions.claim(there, batch, settings=settings, now=now)
        assert claim is not None
        # Before it, two commits bring the two users in.
        with line.losing_commit(3), pytest.raises(psycopg.OperationalError):
            counting.count_batch(there, claim, parameters, user_ids, now=now)
    with postgres.connect(settings.database_url, role="test") as here:
        given_up = transitions.fail(here, claim, PROBLEM, settings=settings, now=now, its_own_fault=False)
        again = counting.count_batch(here, claim, parameters, user_ids, now=now)
        [shard] = rows(conn, "SELECT shard FROM deltas")
    with (
        postgres.connect(line.settings.database_url, role="test") as there,
        line.losing_commit(1),
        pytest.raises(psycopg.OperationalError),
    ):
        merging.merge_shard(there, shard, parameters, most_edges=1, now=now)
    with postgres.connect(settings.database_url, role="test") as here:
        merged_again = merging.merge_shard(here, shard, parameters, most_edges=1, now=now)

    assert (given_up, again, merged_again) == (False, None, 0)
    assert rows(conn, "SELECT state FROM batches") == ["applied"]
    assert [held.mention_count for held in edges(conn, now).values()] == [1]
