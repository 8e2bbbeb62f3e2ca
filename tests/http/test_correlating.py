"""Ids of requests and traces: taken or made, answered, in every line of the log, and in the ledger."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import structlog

from app import log
from app.ledger.trace_context import read
from app.settings import Settings
from app.store.postgres import Connection
from tests.http.conftest import Api, Serve
from tests.posts.workbooks import zipped

CSV = b"data,timestamp,username\nhi @ada,2026-01-15T12:00:00Z,grace\n"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(settings: Settings, capfd: pytest.CaptureFixture[str]) -> Lines:
    """The lines that were logged since the last call."""
    log.configure(msgspec.structs.replace(settings, log_json=True, log_level="debug"))

    def read_all() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]

    return read_all


def upload(api: Api, body: bytes = CSV, headers: dict[str, str] | None = None) -> Any:
    answer = api.http.post("/uploads", content=body, headers={"Content-Type": "text/csv", **(headers or {})})
    assert answer.status_code in {200, 202}, answer.text
    return answer


@pytest.mark.parametrize("sane", ["a", "3f1e-77", "Root=1-67891233-abcdef012345678912345678", "x" * 128])
def test_a_sane_request_id_is_taken(api: Api, sane: str) -> None:
    assert api.http.get("/health/live", headers={"X-Request-ID": sane}).headers.get_list("x-request-id") == [sane]


@pytest.mark.parametrize("bad", ["", "two words", "x" * 129, "é".encode(), "<script>", '"', "a,b"])
def test_another_request_id_is_replaced(api: Api, bad: str | bytes) -> None:
    value = bad if isinstance(bad, bytes) else bad.encode()
    made = api.http.get("/health/live", headers=[(b"X-Request-ID", value)]).headers["x-request-id"]
    assert uuid.UUID(made).version == 4


def test_two_request_ids_are_replaced_by_one(api: Api) -> None:
    answer = api.http.get("/health/live", headers=[("X-Request-ID", "a"), ("X-Request-ID", "b")])
    assert answer.headers.get_list("x-request-id")[0] not in {"a", "b"}


@pytest.mark.parametrize(
    "path", ["/health/live", "/uploads", "/nowhere", "/doc", "/graphs/none/uploads", "/rankings/users?limt=1"]
)
def test_every_answer_continues_the_trace_and_names_the_request(api: Api, path: str) -> None:
    answer = api.http.get(path, headers={"traceparent": TRACEPARENT, "X-Request-ID": "mine"})

    assert answer.headers.get_list("x-request-id") == ["mine"]
    [told] = answer.headers.get_list("traceparent")
    found = read(told)
    assert found is not None
    assert (found.trace_id, found.sampled) == (TRACE, True)
    assert found.span_id != SPAN


def test_an_answer_begins_a_trace_where_none_came(api: Api) -> None:
    first, second = (read(api.http.get("/health/live").headers["traceparent"]) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.trace_id != second.trace_id
    assert not first.sampled  # no span is sent: traces are off


def kept(conn: Connection) -> list[tuple[Any, ...]]:
    return conn.execute(
        "select traceparent, traced_from, tracestate, trace_due from uploads order by received_at, id"
    ).fetchall()


@pytest.mark.parametrize("traces", [True, False])
def test_the_ledger_keeps_the_trace_of_an_upload(
    serve: Serve, settings: Settings, domain: Connection, traces: bool
) -> None:
    api = serve(msgspec.structs.replace(settings, traces=traces))
    upload(api)
    assert [row[1:] for row in kept(domain)] == [(None, None, True if traces else None)]

    headers = {"traceparent": TRACEPARENT, "tracestate": "congo=t61rcWkgMzE"}
    answer = upload(api, CSV + b"yo @ada,2026-01-15T12:00:00Z,grace\n", headers)
    row = (answer.headers["traceparent"], SPAN, "congo=t61rcWkgMzE", True if traces else None)
    assert row in kept(domain)


def test_an_upload_whose_sender_does_not_record_is_not_recorded(
    serve: Serve, settings: Settings, domain: Connection
) -> None:
    api = serve(msgspec.structs.replace(settings, traces=True))
    upload(api, headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})
    assert [row[3] for row in kept(domain)] == [None]


def test_files_of_a_zip_are_in_its_trace(serve: Serve, settings: Settings, domain: Connection) -> None:
    api = serve(msgspec.structs.replace(settings, traces=True))
    upload(
        api,
        zipped({"a.csv": CSV, "b.csv": CSV + b"yo @ada,2026-01-15T12:00:00Z,grace\n"}),
        {"traceparent": TRACEPARENT},
    )
    found = kept(domain)
    assert len({row[:3] for row in found}) == 1
    assert sorted(row[3] is True for row in found) == [False, False, True]


def test_every_line_of_an_upload_names_request_trace_and_upload(api: Api, lines: Lines) -> None:
    lines()
    answer = upload(api, headers={"traceparent": TRACEPARENT, "X-Request-ID": "mine"})
    span = answer.headers["traceparent"].split("-")[2]
    told = {line["event"]: line for line in lines() if line["logger"].startswith("app.")}

    ids = {"request_id": "mine", "trace_id": TRACE, "span_id": span, "upload": answer.json()["id"]}
    for event in ("sealed", "request"):
        assert {key: told[event][key] for key in ids} == ids
    assert told["request"].items() >= {"client": "127.0.0.1", "method": "POST", "path": "/uploads"}.items()
    assert told["sealed"].items() >= {"state": "staged", "batches": 1, "bytes": len(CSV), "level": "info"}.items()

    again = upload(api)
    duplicate = next(line for line in lines() if line["event"] == "sealed")
    assert (duplicate["state"], duplicate["duplicate_of"]) == ("duplicate", again.json()["id"])
    assert duplicate["upload"] != again.json()["id"]


def test_lines_of_one_request_say_nothing_of_another(api: Api, lines: Lines) -> None:
    upload(api, headers={"X-Request-ID": "first"})
    api.http.get("/uploads", headers={"X-Request-ID": "second"})
    of_second = [line for line in lines() if line.get("request_id") == "second"]
    assert of_second
    assert not [line for line in of_second if "upload" in line]


def test_work_on_an_upload_is_told_in_its_trace(
    api: Api, apply: Callable[[], None], domain: Connection, lines: Lines
) -> None:
    del domain
    sent = upload(api, headers={"traceparent": TRACEPARENT}).json()["id"]
    lines()
    apply()
    told = {line["event"]: line for line in lines()}

    assert told["merged"].items() >= {"logger": "app.graph.merging", "deltas": 1, "edges": 1}.items()
    assert told["applied"].items() >= {"upload": sent, "trace_id": TRACE}.items()


FIELDS = {
    "plain": {"timestamp", "level", "event", "logger", "request_id", "trace_id", "span_id", "exception", "client"},
    "ecs": {
        *("@timestamp", "log.level", "message", "log.logger", "ecs.version", "http.request.id", "trace.id", "span.id"),
        *("error.stack_trace", "mentiongraph"),
    },
    "gcp": {
        *("time", "severity", "message", "logger", "request_id", "exception", "client"),
        *("logging.googleapis.com/trace", "logging.googleapis.com/spanId"),
    },
}


@pytest.mark.parametrize("fields", FIELDS)
def test_json_has_the_fields_that_a_collector_reads(
    settings: Settings, capfd: pytest.CaptureFixture[str], fields: Any
) -> None:
    log.configure(msgspec.structs.replace(settings, log_json=True, log_fields=fields))
    with structlog.contextvars.bound_contextvars(request_id="r", trace_id=TRACE, span_id=SPAN):
        try:
            int("no")
        except ValueError:
            structlog.get_logger("app.here").exception("told", client="192.0.2.1")
    line = json.loads(capfd.readouterr().err)

    assert line.keys() == FIELDS[fields]
    text = json.dumps(line)
    assert all(value in text for value in ("told", "app.here", TRACE, SPAN, "ValueError: invalid", "192.0.2.1"))
    stamp = line.get("timestamp") or line.get("@timestamp") or line["time"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", stamp)
    assert (line.get("level") or line.get("log.level") or line["severity"]) == ("ERROR" if fields == "gcp" else "error")
