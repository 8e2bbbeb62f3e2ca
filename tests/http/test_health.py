"""Health that tells the truth: whatever hangs, however busy it is; and how the workers and schedulers are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import httpx
import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from app.ledger import fleet, periods
from app.settings import Settings
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.test_app import relay_to

Connection = psycopg.Connection[TupleRow]
SMALLEST_POOL = 2


def test_a_busy_api_is_ready(serve: Serve, settings: Settings, dsn: str, conn: Connection) -> None:
    api = serve(msgspec.structs.replace(settings, database_pool=SMALLEST_POOL))
    waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    with ThreadPoolExecutor(SMALLEST_POOL) as threads:
        with psycopg.connect(dsn) as holder:
            holder.execute("lock table users in access exclusive mode")
            requests = [threads.submit(api.http.get, f"/users/ada{number}") for number in range(SMALLEST_POOL)]
            until(lambda: conn.execute(waiting).rowcount == SMALLEST_POOL, within=10, what="no connection is left")

            assert api.http.get("/health/ready").status_code == 200
        assert [request.result().status_code for request in requests] == [404, 404]


def test_a_database_that_hangs_is_no_reason_to_hang(
    serve: Serve, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.http.routes.health.PATIENCE", 0.2)
    with relay_to(settings.database_url) as (relay, url):
        api = serve(msgspec.structs.replace(settings, database_url=url))
        until(lambda: api.http.get("/health/ready").status_code == 200, within=60, what="it is ready")

        relay.hang()

        with ThreadPoolExecutor(4) as threads:
            asked = [threads.submit(api.http.get, "/health/ready", timeout=10) for _ in range(8)]
            assert {answer.result().json()["postgresql"] for answer in asked} == {"does not answer"}
        assert api.http.get("/health/live", timeout=10).status_code == 200
        relay.flow()
        until(lambda: api.http.get("/health/ready").status_code == 200, within=60, what="it is ready")


def members(api: Api) -> dict[str, str | None]:
    """What is wrong with each, by its role."""
    answer = api.http.get("/health/processes")
    assert (answer.status_code, answer.headers["cache-control"]) == (httpx.codes.OK, "no-store")
    return {each["role"]: each["ailment"] for each in answer.json()["processes"]}


def test_the_fleet_is_listed_with_what_is_wrong(api: Api, settings: Settings, conn: Connection) -> None:
    worker, scheduler = fleet.Me(fleet.Role.WORKER), fleet.Me(fleet.Role.SCHEDULER)
    late = settings.silence_seconds + 1

    worker.heartbeat(conn, idle=1)
    assert members(api) == {"worker": None}
    worker.heartbeat(conn, idle=late)
    assert "not asked one of its queues for 31 s" in (members(api)["worker"] or "")
    worker.leave(conn)
    scheduler.heartbeat(conn, idle=late)
    assert members(api) == {"scheduler": None}, "a minute lies between two ticks"
    scheduler.heartbeat(conn, idle=60 + late)
    assert "last tick was 91 s ago" in (members(api)["scheduler"] or "")
    conn.execute("update processes set seen_at = seen_at - interval '1 hour'")
    assert "not been heard of for 3600 s" in (members(api)["scheduler"] or "")
    conn.execute("update processes set seen_at = seen_at - interval '1 day'")
    assert fleet.forget(conn) == 1
    assert members(api) == {}


def test_the_periods_are_listed(api: Api, settings: Settings, conn: Connection, now: datetime) -> None:
    period = periods.begin(conn, "decay", every=timedelta(days=1), settings=settings, now=now)
    assert period is not None
    periods.finish(conn, period, now=now)

    told = {each["actor"]: each for each in api.http.get("/health/processes").json()["periods"]}

    assert told.keys() == {"sweep", "summarize", "decay", "purge"}
    next_run = datetime.fromisoformat(told["decay"].pop("next_run"))
    assert told["decay"] == {
        "actor": "decay",
        "every": "1d",
        "start": "2026-01-15T00:00:00Z",
        "claimed_until": None,
        "finished_at": "2026-01-15T12:00:00Z",
        "running": False,
    }
    assert next_run > now
    assert (told["purge"]["start"], told["purge"]["every"]) == (None, "1h")
