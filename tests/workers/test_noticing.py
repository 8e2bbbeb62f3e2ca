"""Work in a graph whose rings were lost is found as soon as work in `default`, and idle graphs cost next to nothing."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import msgspec
import pytest
from psycopg import conninfo

from app.ledger import bells, sweeping
from app.posts.options import Priority
from app.settings import Settings
from app.store import postgres
from app.store.postgres import Connection, scalars
from tests.conftest import until
from tests.uploading import posts_csv, upload
from workers.noticing import MOST_ASKED, Servers
from workers.process import Process
from workers.rooms import Room

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
List = Callable[[str, str], None]


def idle(worker: Process) -> list[Room]:
    """All graphs but `default`, swept a moment ago and looked at: no sweep of them is due for a minute."""
    worker.rooms.refresh()
    rooms = [room for room in worker.rooms.all() if room is not worker.rooms.default]
    for room in rooms:
        room.swept, room.sweep_at = True, math.inf
    until(
        lambda: worker.sweep_all() or all(room.inserted is not None for room in rooms), within=20, what="looked at all"
    )
    return rooms


def test_work_whose_ring_was_lost_is_found_at_the_next_look(
    worker: Process, settings: Settings, beside: str, listed: List
) -> None:
    listed("b", beside)
    [room] = idle(worker)
    upload(msgspec.structs.replace(settings, database_url=beside), posts_csv([("@bob", NOW, "eve")]), received_at=NOW)

    with postgres.connect(beside, role="test") as other:
        until(
            lambda: worker.sweep_all() or scalars(other, "SELECT rung_at IS NOT NULL FROM batches") == [True],
            within=20,
            what="a sweep rang",
        )

    assert room.busy, "the next sweeps come as soon as those of `default`"


def test_many_idle_graphs_are_one_question(
    worker: Process, beside: str, listed: List, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        listed(f"g-{number}", f"{beside}?application_name=g{number}")
    rooms = idle(worker)
    asked, looked = list[int](), sweeping.inserted

    def inserted(conn: Connection, databases: list[str]) -> dict[str, int]:
        asked.append(len(databases))
        return looked(conn, databases)

    monkeypatch.setattr(sweeping, "inserted", inserted)
    taken = list[str]()
    connection = Room.connection

    def counted(room: Room) -> AbstractContextManager[Connection]:
        taken.append(room.name)
        return connection(room)

    monkeypatch.setattr(Room, "connection", counted)

    # A look that comes while the one before is under way is left out.
    for look in range(1, 4):
        until(lambda look=look: worker.sweep_all() or len(asked) >= look, within=20, what="the server is asked")

    assert set(asked) == {1 + len(rooms)}
    assert set(taken) <= {"default"}


def test_servers_are_asked_in_turn(worker: Process, listed: List) -> None:
    number = 2 * MOST_ASKED + 1
    for each in range(number):
        listed(f"g-{each}", f"postgresql://u@127.0.0.1:{2000 + each}/g")
    worker.rooms.refresh()
    rooms, servers, asked = worker.rooms.all(), Servers(), list[str]()

    looks = [servers.to_ask(rooms) for _ in range(3)]

    for look in looks:
        assert len(look) == MOST_ASKED
        asked += [there[0].name for there in look]
    assert len(set(asked)) == number
    assert servers.to_ask([worker.rooms.default]) == [], "its sweeps come anyway"


def test_what_an_upload_inserted_is_seen_while_its_connection_stays_open(
    worker: Process, settings: Settings, beside: str, conn: Connection
) -> None:
    """A session tells PostgreSQL its numbers late, if it has told them a moment ago. A ring makes it tell them now."""
    database = str(conninfo.conninfo_to_dict(beside)["dbname"])
    theirs = msgspec.structs.replace(settings, database_url=beside)
    upload(theirs, posts_csv([("@bob", NOW, "eve")]), received_at=NOW)

    def seen() -> int:
        return sweeping.inserted(conn, [database])[database]

    async def enter() -> None:
        async with postgres.async_pool(beside, role="test", size=1, statement_timeout=9) as pool:
            for _ in range(2):
                before = seen()
                async with pool.connection() as sending:
                    await sending.execute(
                        "INSERT INTO ledger_events (upload_id, to_state, process) SELECT id, state, 'test' FROM uploads"
                    )
                await bells.ring_upload(pool, worker.broker, uuid.uuid4(), Priority.BULK, postgres.clock, graph="b")
                await asyncio.to_thread(until, lambda before=before: seen() > before, within=5, what="it is seen")

    asyncio.run(enter())
