"""A process works on every graph: what happens in one graph reaches no other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec
import psycopg
import pytest
import structlog
from dramatiq import Actor, MessageProxy, Worker
from psycopg import conninfo

from app.ledger import bells, transitions
from app.posts.options import Priority
from app.proofs.audit import audit
from app.settings import Settings
from app.store import lending, postgres
from app.store.lending import Away
from app.store.postgres import Connection, scalars
from ops.embedded.children import free_ports
from tests.conftest import until
from tests.ringing import Relay
from tests.uploading import posts_csv, upload
from workers import main
from workers.process import SPARE, SWEEPERS, Process, process
from workers.rooms import Room

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
List = Callable[[str, str], None]


def at(settings: Settings, url: str) -> Settings:
    return msgspec.structs.replace(settings, database_url=url)


def send(settings: Settings, author: str) -> int:
    """Send one post. Returns its batch."""
    upload(settings, posts_csv([("@bob", NOW, author)]), received_at=NOW)
    with postgres.connect(settings.database_url, role="test") as conn:
        return max(scalars(conn, "SELECT id FROM batches"))


def work(conn: Connection, graph: str) -> None:
    """Count and merge everything in the graph of this database, by messages."""
    for batch in scalars(conn, "SELECT id FROM batches WHERE state = 'staged'"):
        main.count.fn(batch, graph)
    for shard in scalars(conn, "SELECT DISTINCT shard FROM deltas WHERE merged_at IS NULL"):
        main.merge.fn(shard, graph)


def authors(conn: Connection) -> list[str]:
    return scalars(conn, "SELECT handle FROM users JOIN edges ON id = source_id ORDER BY 1")


def test_messages_with_the_same_ids_stay_each_in_their_graph(
    worker: Process, settings: Settings, conn: Connection, beside: str, listed: List
) -> None:
    listed("b", beside)
    assert send(settings, "ada") == send(at(settings, beside), "eve")

    with postgres.connect(beside, role="test") as other:
        work(other, "b")
        assert authors(other) == ["eve"]
        assert scalars(conn, "SELECT state FROM batches") == ["staged"]
        assert scalars(conn, "SELECT count(*) FROM users") == [0]
        work(conn, "default")
        assert (authors(conn), authors(other)) == (["ada"], ["eve"])
        assert audit(conn).exact
        assert audit(other).exact
    assert {room.name: room.remembered for room in worker.rooms.all()} == {"default": 2, "b": 2}


def test_a_batch_whose_worker_was_killed_is_counted_by_another(
    worker: Process, settings: Settings, conn: Connection, beside: str, listed: List
) -> None:
    listed("b", beside)
    theirs = at(settings, beside)
    batch = send(theirs, "eve")
    with postgres.connect(beside, role="test") as other:
        killed = transitions.claim(other, batch, settings=theirs, now=postgres.clock())
        assert killed is not None
        main.count.fn(batch, "b")
        assert scalars(other, "SELECT state FROM batches") == ["staged"], "the claim holds"
        room = worker.rooms.find("b")
        assert room is not None
        assert not room.busy
        worker.sweep(room)
        assert rung(worker) == []
        assert room.busy, "the next sweep comes soon"
        other.execute("UPDATE batches SET claimed_until = now() - interval '1 s', next_attempt_at = staged_at")

        worker.sweep(room)

        assert scalars(other, "SELECT rung_at IS NOT NULL FROM batches") == [True]
        assert [message.args for message in rung(worker)] == [(batch, "b")]
        work(other, "b")
        assert authors(other) == ["eve"]
        assert audit(other).exact
    assert scalars(conn, "SELECT count(*) FROM batches") == [0]


def rung(worker: Process) -> list[MessageProxy]:
    consumer = worker.broker.consume(bells.SOON, prefetch=10, timeout=1)
    return [each for each in [next(consumer), next(consumer)] if each is not None]


def test_claims_are_renewed_in_their_graph(worker: Process, settings: Settings, beside: str, listed: List) -> None:
    listed("b", beside)
    theirs = at(settings, beside)
    batch = send(theirs, "eve")
    room = worker.rooms.find("b")
    assert room is not None
    with postgres.connect(beside, role="test") as other:
        claim = transitions.claim(other, batch, settings=theirs, now=postgres.clock())
        assert claim is not None
        other.execute("UPDATE batches SET claimed_until = now() - interval '1 s'")
        with room.holding(claim):
            worker.renew_claims()
            until(
                lambda: scalars(other, "SELECT claimed_until > now() FROM batches") == [True], within=10, what="renewed"
            )


def test_without_redis_each_graph_is_worked_on(
    settings: Settings, beside: str, listed: List, monkeypatch: pytest.MonkeyPatch
) -> None:
    [nobody] = free_ports(1)
    listed("b", beside)
    alone = Process(msgspec.structs.replace(settings, redis_url=f"redis://127.0.0.1:{nobody}/0", enqueue_timeout=0.0))
    alone.unaided = main.unaided.work
    for name in ("count", "merge", "unaided", "summarize"):
        monkeypatch.setattr(f"workers.{name}.process", alone)
    send(at(settings, beside), "eve")
    room = alone.rooms.find("b")
    assert room is not None

    alone.sweep(room)
    alone.sweep(room)

    with postgres.connect(beside, role="test") as other:
        assert authors(other) == ["eve"]
    alone.close()


@pytest.mark.usefixtures("worker")
def test_each_graph_has_its_own_periods_and_one_upkeep_works_them_all(
    conn: Connection, beside: str, listed: List
) -> None:
    listed("b", beside)

    main.upkeep.fn("b")

    with postgres.connect(beside, role="test") as other:
        done = scalars(other, "SELECT actor FROM periods WHERE finished_at IS NOT NULL ORDER BY actor")
    assert done == sorted(bells.PERIODIC)
    assert scalars(conn, "SELECT count(*) FROM periods") == [0]


@pytest.mark.usefixtures("worker")
def test_work_that_fails_does_not_keep_the_other_work_of_its_graph(
    beside: str, listed: List, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    listed("b", beside)
    monkeypatch.setattr("app.summaries.summarizing.work", broken)

    main.upkeep.fn("b")

    with postgres.connect(beside, role="test") as other:
        done = scalars(other, "SELECT actor FROM periods WHERE finished_at IS NOT NULL ORDER BY actor")
    assert done == sorted({*bells.PERIODIC} - {bells.SUMMARIZE})


def test_a_graph_that_nobody_listed_is_dropped_and_told_of_once(worker: Process) -> None:
    with structlog.testing.capture_logs() as logs:
        for number in range(50):
            main.count.fn(1, f"forged-{number}")
            main.upkeep.fn(f"forged-{number}")

    assert [each["event"] for each in logs if each["event"] == "messages_of_unknown_graph"] == [logs[0]["event"]]
    assert [room.name for room in worker.rooms.all()] == ["default"]


def test_a_graph_that_is_dropped_or_moved_is_given_up(
    worker: Process, conn: Connection, beside: str, dsn: str, listed: List
) -> None:
    listed("b", beside)
    first = worker.rooms.find("b")
    assert first is not None
    conn.execute("UPDATE graphs SET database_url = %s", [f"{dsn}?application_name=moved"])
    worker.rooms.refresh()
    second = worker.rooms.find("b")
    assert second is not None
    assert second.settings.database_url != first.settings.database_url
    conn.execute("UPDATE graphs SET state = 'dropping'")
    worker.rooms.refresh()

    assert worker.rooms.find("b") is None
    with pytest.raises(Away), first.connection():
        pass


def test_a_flood_into_one_graph_does_not_hold_up_a_small_upload_into_another(
    worker: Process, settings: Settings, conn: Connection, beside: str, listed: List
) -> None:
    """The rings of both are sent as the API sends them, and heard as a process with one thread hears them."""
    listed("b", beside)
    flood = msgspec.structs.replace(settings, batch_bytes=64)
    posts = posts_csv([("@bob", NOW, f"user{number}") for number in range(200)])
    uploads = [("default", flood, upload(flood, posts, received_at=NOW))]
    theirs = at(settings, beside)
    uploads.append(("b", theirs, upload(theirs, posts_csv([("@bob", NOW, "eve")]), received_at=NOW)))

    async def ring() -> None:
        for graph, each, sent in uploads:
            async with postgres.async_pool(each.database_url, role="test", size=1, statement_timeout=9) as pool:
                await bells.ring_upload(pool, worker.broker, sent, Priority.BULK, postgres.clock, graph=graph)

    asyncio.run(ring())
    assert worker.broker.queue_length("bulk") > 50
    for actor in process.broker.actors.values():
        name, queue, rank = actor.actor_name, actor.queue_name, actor.priority
        Actor(actor.fn, broker=worker.broker, actor_name=name, queue_name=queue, priority=rank, options={})
    heard = Worker(worker.broker, worker_threads=1, worker_timeout=10)
    heard.start()
    try:
        with postgres.connect(beside, role="test") as other:
            until(lambda: authors(other) == ["eve"], within=20, what="the small upload is in its graph")
            waiting = scalars(conn, "SELECT count(*) FROM batches WHERE state = 'staged'")
        assert waiting[0] > 30, "most of the flood still waits"
    finally:
        heard.stop()


# A graph that is away -------------------------------------------------------------------------------------------------


def test_a_graph_that_is_away_hurts_no_other(
    worker: Process, settings: Settings, conn: Connection, listed: List, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lending, "POOL_TIMEOUT", 0.2)
    [nobody] = free_ports(1)
    listed("away", f"postgresql://127.0.0.1:{nobody}/none")
    batch = send(settings, "ada")
    room = worker.rooms.find("away")
    assert room is not None
    with pytest.raises(psycopg.OperationalError):
        worker.sweep(room)

    tried = list[object]()
    opens = room.place.open_one
    monkeypatch.setattr(room.place, "open_one", lambda: tried.append(1) or opens())
    with structlog.testing.capture_logs() as logs:
        for shard in range(8):
            main.merge.fn(shard, "away")
            main.upkeep.fn("away")
    assert tried == [], "nobody waits for it again at once"
    assert len([each for each in logs if "away" in each["event"]]) == 1

    main.count.fn(batch)
    worker.sweep(worker.rooms.default)
    assert scalars(conn, "SELECT state FROM batches") == ["counted"]
    worker.heartbeat()


def test_while_default_is_away_the_other_graphs_go_on(
    conn: Connection, beside: str, listed: List, monkeypatch: pytest.MonkeyPatch, worker: Process
) -> None:
    listed("b", beside)
    settings = worker.settings
    assert worker.rooms.find("b") is not None
    batch = send(at(settings, beside), "eve")
    monkeypatch.setattr(lending, "POOL_TIMEOUT", 0.2)
    [nobody] = free_ports(1)
    monkeypatch.setattr(
        worker.rooms.default.place,
        "open_one",
        lambda: psycopg.connect(f"postgresql://127.0.0.1:{nobody}/none", connect_timeout=2),
    )
    worker.rooms.lender.drain(worker.rooms.default.place)

    with pytest.raises(psycopg.OperationalError):
        worker.heartbeat()
    worker.rooms.refresh()
    main.count.fn(batch, "b")

    with postgres.connect(beside, role="test") as other:
        assert scalars(other, "SELECT state FROM batches") == ["counted"]
    assert scalars(conn, "SELECT count(*) FROM processes") == [0]


def test_when_the_server_of_default_is_back_so_are_the_graphs_on_it(
    conn: Connection, beside: str, listed: List, monkeypatch: pytest.MonkeyPatch, worker: Process
) -> None:
    listed("b", beside)
    name = conninfo.conninfo_to_dict(beside)["dbname"]
    conn.execute("UPDATE graphs SET database_url = NULL, database = %s", [name])
    monkeypatch.setattr(lending, "FIRST_AWAY", 30.0)
    worker.rooms.refresh()
    room, default = worker.rooms.find("b"), worker.rooms.default
    assert room is not None
    for place in (room.place, default.place):
        worker.rooms.lender.drain(place)
        place.failed(psycopg.OperationalError("it restarts"))
    worker.rooms.refresh()
    assert (room.place.away, default.place.away) == (True, True)

    default.place.again()
    worker.rooms.refresh()

    assert not room.place.away
    with room.connection() as its:
        assert its.info.dbname == name


def test_a_server_that_does_not_answer_loses_its_callers(
    worker: Process, beside: str, listed: List, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process stands still or its network is cut: the connection is there, and no answer ever comes."""
    info = conninfo.conninfo_to_dict(beside)
    relay = Relay(int(str(info["port"])))
    listed("frozen", conninfo.make_conninfo(beside, host="127.0.0.1", port=relay.port))
    monkeypatch.setattr(lending, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(lending, "LOOK_SECONDS", 0.0)
    room = worker.rooms.find("frozen")
    assert room is not None
    begun, ended = threading.Event(), list[BaseException]()

    def ask() -> None:
        with room.connection() as conn:
            relay.mute = True
            begun.set()
            try:
                conn.execute("SELECT 1")
            except psycopg.Error as error:
                ended.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert begun.wait(10)

    worker.rooms.look_after()

    asking.join(10)
    assert isinstance(ended[0], psycopg.OperationalError)
    with pytest.raises(Away), room.connection():
        pass
    relay.close()


# Many graphs ----------------------------------------------------------------------------------------------------------

MANY = 200


def test_however_many_graphs_a_process_opens_few_connections(
    worker: Process, conn: Connection, dsn: str, listed: List
) -> None:
    for number in range(MANY):
        listed(f"g-{number}", f"{dsn}?application_name=g{number}")
    worker.rooms.refresh()
    rooms = worker.rooms.all()
    assert len(rooms) == MANY + 1
    most = worker.settings.worker_threads + SWEEPERS + SPARE
    opened = list[int]()

    def visit(room: Room) -> None:
        with room.connection() as mine:
            mine.execute("SELECT 1")
            opened.append(worker.rooms.lender.open)

    with ThreadPoolExecutor(most) as threads:
        list(threads.map(visit, rooms))

    named = {"name": postgres.process_name("worker")}
    there = scalars(conn, "SELECT count(*) FROM pg_stat_activity WHERE application_name = %(name)s", named)
    assert there[0] <= most
    assert max(opened) == most
    assert worker.rooms.lender.open == most
