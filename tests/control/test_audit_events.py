"""Audit events tell who did what; nobody changes them, and only those whose time is over go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest

from app.control import audit_events
from app.control.audit_events import MEANING, Action, Filter
from app.control.callers import Caller, of_operating_system
from app.errors import NotFound
from app.store.acting import act_for
from app.store.postgres import Connection, scalars

GRACE = Caller(frozenset(), key_id="AbCdEf01", owner="grace", address="192.0.2.7")
NOW = datetime.now(UTC)


def age(conn: Connection, days: float) -> None:
    """Make all events older, as only the owner of the table can: he turns the triggers off."""
    with conn.transaction():
        conn.execute("ALTER TABLE audit_events DISABLE TRIGGER USER")
        conn.execute("UPDATE audit_events SET at = at - make_interval(secs => %s)", [days * 86_400])
        conn.execute("ALTER TABLE audit_events ENABLE TRIGGER USER")


def actions(conn: Connection) -> list[str]:
    return scalars(conn, "SELECT action FROM audit_events ORDER BY id")


def test_every_action_has_a_meaning() -> None:
    assert set(MEANING) == set(Action)


def test_an_event_says_who_did_what_from_where(conn: Connection) -> None:
    audit_events.record(conn, GRACE, Action.KEY_REVOKE, "12345678", detail={"owner": "ada"})

    (event,) = audit_events.page(conn, Filter(), before=None, limit=10)
    assert (event.action, event.outcome, event.subject) == ("key.revoke", "done", "12345678")
    assert (event.key_id, event.owner, event.address) == ("AbCdEf01", "grace", "192.0.2.7")
    assert event.detail == {"owner": "ada"}
    assert event.process.startswith("mentiongraph test@")


def test_an_act_that_is_undone_leaves_no_event(conn: Connection) -> None:
    with conn.transaction(force_rollback=True):
        audit_events.record(conn, GRACE, Action.GRAPH_DROP, "team")
    assert actions(conn) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET owner = 'ada'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "SET mentiongraph.forgets_audit_events = 'on'; DELETE FROM audit_events",
    ],
)
def test_events_stay_as_they_were_written(conn: Connection, statement: LiteralString) -> None:
    audit_events.record(conn, GRACE, Action.GRAPH_DROP, "team")

    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        conn.execute(statement)

    assert scalars(conn, "SELECT owner FROM audit_events") == ["grace"]


def test_events_go_after_their_time_and_an_event_tells_how_many(conn: Connection) -> None:
    for name in ("a", "b"):
        audit_events.record(conn, GRACE, Action.GRAPH_DROP, name)
    age(conn, 10)
    audit_events.record(conn, GRACE, Action.GRAPH_CREATE, "c")

    with conn.transaction():
        act_for(conn, GRACE)
        assert audit_events.forget(conn, days=9, now=NOW) == 2

    assert actions(conn) == ["graph.create", "audit.forget"]
    (told,) = audit_events.page(conn, Filter(action="audit"), before=None, limit=1)
    assert told.detail is not None
    assert (told.detail["events"], told.owner) == (2, "grace")


def test_no_event_of_the_last_day_goes(conn: Connection) -> None:
    audit_events.record(conn, GRACE, Action.GRAPH_DROP, "team")
    age(conn, 0.9)
    assert audit_events.forget(conn, days=0, now=NOW) == 0
    age(conn, 0.2)
    assert audit_events.forget(conn, days=0, now=NOW) == 1


def test_only_a_bounded_number_of_denials_stays(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_events, "DENIALS_KEPT", 2)
    audit_events.record(conn, GRACE, Action.GRAPH_DROP, "team")
    for number in range(5):
        audit_events.record(conn, GRACE, Action.REQUEST, f"GET /{number}", outcome="denied")
    age(conn, 2)

    assert audit_events.forget(conn, days=100, now=NOW) == 3

    left = audit_events.page(conn, Filter(), before=None, limit=10)
    assert {event.subject for event in left} == {None, "GET /4", "GET /3", "team"}


def test_events_are_found_by_who_what_and_when(conn: Connection) -> None:
    os_user = of_operating_system()
    audit_events.record(conn, GRACE, Action.UPLOAD_CANCEL, "one")
    audit_events.record(conn, os_user, Action.UPLOAD_RETRACT, "two")
    audit_events.record(conn, GRACE, Action.KEY_CREATE, "one", outcome="denied")

    def subjects(**wanted: object) -> list[str | None]:
        found = audit_events.page(conn, Filter(**wanted), before=None, limit=10)  # pyright: ignore[reportArgumentType]
        return [event.subject for event in found]

    assert subjects() == ["one", "two", "one"]
    assert subjects(action="upload") == ["two", "one"]
    assert subjects(action="upload.retract") == ["two"]
    assert subjects(action="up") == []
    assert subjects(owner=os_user.owner) == ["two"]
    assert subjects(key_id="AbCdEf01", outcome="done") == ["one"]
    assert subjects(subject="two") == ["two"]
    assert subjects(since=NOW + timedelta(days=1)) == []
    assert subjects(until=NOW - timedelta(days=1)) == []


def test_pages_follow_each_other(conn: Connection) -> None:
    for number in range(5):
        audit_events.record(conn, GRACE, Action.GRAPH_CREATE, str(number))

    first = audit_events.page(conn, Filter(), before=None, limit=3)
    second = audit_events.page(conn, Filter(), before=first[-1].id, limit=3)

    assert [event.subject for event in (*first, *second)] == ["4", "3", "2", "1", "0"]
    assert audit_events.page(conn, Filter(), before=second[-1].id, limit=3) == []
    with pytest.raises(NotFound):
        audit_events.page(conn, Filter(), before=2**62, limit=3)
