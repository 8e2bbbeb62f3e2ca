"""A graph is dropped while an upload into it runs: the sender is told, and nothing of it comes into another graph."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import datetime

import msgspec
import pytest

from app.control import databases, graphs
from app.control.graphs import Graph, settings_of
from app.errors import DatabaseUnavailable
from app.proofs.audit import audit
from app.settings import Settings
from app.store.postgres import clock, connect
from tests.conftest import until
from tests.graphs import edges
from tests.http.conftest import Api, serving
from tests.http.test_graphs import mentioning, wanted, work


@pytest.fixture
def patient(settings: Settings) -> Settings:
    """Settings by which an upload waits for its database for a moment only."""
    return msgspec.structs.replace(settings, database_patience=1.0, heartbeat_seconds=0.2)


@pytest.fixture
def patient_api(patient: Settings, now: datetime) -> Generator[Api]:
    with serving(patient, lambda: now) as running:
        yield running


def create(settings: Settings, now: datetime) -> Graph:
    return databases.create(settings, wanted("team", now), clock=clock)


def listed(settings: Settings) -> Graph:
    with connect(settings.database_url, role="test") as conn:
        return graphs.find(conn, "team")


@pytest.mark.parametrize("again", [False, True], ids=["dropped", "dropped and created again"])
def test_an_upload_into_a_graph_that_is_dropped_fails(
    patient_api: Api, patient: Settings, now: datetime, *, again: bool
) -> None:
    first = settings_of(patient, create(patient, now))

    def body() -> Iterator[bytes]:
        yield mentioning(*[("bob", f"user{number}") for number in range(200)])
        with connect(first.database_url, role="test") as conn:
            entered = "SELECT count(*) FROM uploads"
            until(lambda: conn.execute(entered).fetchone() != (0,), within=20, what="the upload is entered")
        databases.drop(patient, "team", clock=clock)
        if again:
            create(patient, now)
        yield mentioning(("bob", "late")).partition(b"\n")[2]

    answer = patient_api.http.post("/graphs/team/uploads", content=body(), headers={"Content-Type": "text/csv"})

    assert answer.status_code == 404, answer.text
    assert "dropped while" in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert patient_api.http.get("/health/ready").status_code == 200
    assert patient_api.upload(mentioning(("bob", "ada"))).status_code == 202, "the others go on"
    patient_api.http.get("/graphs")
    if not again:
        assert patient_api.http.get("/graphs/team/users/bob").status_code == 404
        with pytest.raises(DatabaseUnavailable, match="does not exist"), connect(first.database_url, role="test"):
            pass
        create(patient, now)
    try:
        until(lambda: patient_api.http.get("/graphs/team/users").status_code != 404, within=20, what="it is known")
        sent = patient_api.http.post(
            "/graphs/team/uploads", content=mentioning(("bob", "eve")), headers={"Content-Type": "text/csv"}
        )
        assert sent.status_code == 202, sent.text
        its = settings_of(patient, listed(patient))
        assert its.database_url != first.database_url, "no database gets the name of an earlier one"
        work(its, now)
        with connect(its.database_url, role="test") as conn:
            assert set(edges(conn, now)) == {("bob", "eve")}
            assert conn.execute("SELECT count(*) FROM uploads").fetchone() == (1,)
            assert audit(conn).exact
    finally:
        databases.drop(patient, "team", clock=clock)
