"""Traces through real processes: the tree of an upload is complete, whichever of them are killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path

import msgspec
import psycopg
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from app.settings import Settings
from ops.embedded.children import free_ports
from ops.workloads.generate import generate
from tests.collecting import Received, attributes, collector
from tests.conftest import until
from tests.posts.workbooks import zipped
from tests.system.test_end_to_end import Service, holding, wait_until_a_worker_is_stuck

pytestmark = pytest.mark.system

PATIENCE = 60
TRACE, SENDER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{SENDER}-01", "tracestate": "congo=t61rcWkgMzE", "Content-Type": "text/csv"}


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Generator[Received]:
    with collector() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        yield made


@pytest.fixture
def service(settings: Settings, received: Received, tmp_path: Path) -> Generator[Service]:
    """The API runs, traces are on, and the collector is there. Claims are short: deaths are noticed soon."""
    del received  # it is up before the workers
    [port] = free_ports(1)
    quick = msgspec.structs.replace(
        settings, port=port, batch_bytes=64_000, claim_seconds=2.0, sweep_seconds=0.5, worker_processes=1,
        worker_threads=2, traces=True,
    )  # fmt: skip
    service = Service(quick, tmp_path)
    with service.children, service.http:
        service.start_api()
        yield service


@pytest.fixture(scope="module")
def content() -> bytes:
    return b"".join(generate(2000, 21, bad_rows=0.01))


def whole_tree(received: Received, root: str) -> dict[str, Span]:
    """The spans of the trace, once the root's upload was sent. Every span hangs on the root, and every link leads to a
    span that was sent, too."""
    until(lambda: root in received.of_trace(TRACE), within=PATIENCE, what="the upload's spans are sent")
    tree = received.of_trace(TRACE)
    for span in tree.values():
        if span.span_id.hex() != root:
            assert span.parent_span_id.hex() in tree, span
        assert span.end_time_unix_nano >= span.start_time_unix_nano
        assert span.trace_state == HEADERS["tracestate"]
    everything = {span.span_id for span in received.spans}
    assert {link.span_id for span in received.spans for link in span.links} <= everything
    assert tree[root].parent_span_id.hex() == SENDER
    assert tree[root].kind == Span.SPAN_KIND_SERVER
    return tree


def named(tree: dict[str, Span], name: str) -> list[Span]:
    return [span for span in tree.values() if span.name == name]


def assert_says_all(service: Service, tree: dict[str, Span], upload: str) -> None:
    """The tree has every batch, attempt and delta that the ledger has."""
    with psycopg.connect(service.settings.database_url) as conn:
        count = "select count(*) from batches b join uploads u on u.id = b.upload_id {} where %s in (u.id, u.parent_id)"

        def rows(more: str) -> int:
            [[found]] = conn.execute(count.format(more).encode(), [upload]).fetchall()
            return found

        assert len(named(tree, "batch")) == rows("")
        assert len(named(tree, "count")) == rows("join batch_attempts a on a.batch_id = b.id")
        assert len(named(tree, "merge")) == rows("join deltas d on d.batch_id = b.id")
    assert len(named(tree, "summarize")) >= len(named(tree, "batch"))


def test_a_worker_killed_in_the_middle_leaves_a_whole_tree(
    service: Service, received: Received, content: bytes
) -> None:
    with holding(service, "LOCK TABLE rejects IN EXCLUSIVE MODE"):
        worker = service.start_worker()
        answer = service.http.post("/uploads", content=content, headers=HEADERS)
        upload = answer.json()["id"]
        wait_until_a_worker_is_stuck(service, "insert into rejects")
        worker.kill()
    service.start_worker()
    service.wait_until_applied(upload)

    answered = answer.headers["traceparent"].split("-")
    tree = whole_tree(received, answered[2])

    assert answered[1] == TRACE
    assert_says_all(service, tree, upload)
    outcomes = Counter(attributes(span)["mentiongraph.outcome"] for span in named(tree, "count"))
    assert outcomes["lost"] >= 1
    assert outcomes["counted"] == len(named(tree, "batch"))
    assert outcomes.keys() == {"lost", "counted"}
    for span in named(tree, "count"):
        is_lost = attributes(span)["mentiongraph.outcome"] == "lost"
        assert (span.status.code == Status.STATUS_CODE_ERROR) is is_lost
    resources = [{each.key: each.value.string_value for each in group.resource.attributes} for group in received.groups]
    assert {each["service.name"] for each in resources} == {"mentiongraph"}
    assert {each["deployment.environment.name"] for each in resources} == {"test"}
    workers = {each["service.instance.id"] for each in resources if each["service.instance.id"].startswith("worker@")}
    assert len(workers) == 2  # that which was killed, and the other


def test_a_worker_killed_while_it_sends_leaves_the_spans_to_another(
    service: Service, received: Received, content: bytes
) -> None:
    """The other sends the same spans, under the same ids."""
    received.answering.clear()
    worker = service.start_worker()
    answer = service.http.post("/uploads", content=content, headers=HEADERS)
    upload = service.wait_until_applied(answer.json()["id"])["id"]
    until(lambda: received.requests, within=PATIENCE, what="the worker sends spans")
    worker.kill()
    received.answering.set()
    service.start_worker()

    root = answer.headers["traceparent"].split("-")[2]
    tree = whole_tree(received, root)
    assert_says_all(service, tree, upload)

    # What was sent, but not noted as sent, is sent once more: nothing has another id.
    groups = len(received.groups)
    with psycopg.connect(service.settings.database_url) as conn:
        until(
            lambda: conn.execute("select from uploads where trace_due").fetchone() is None,
            within=PATIENCE,
            what="the spans are noted as sent",
        )
        conn.execute("update uploads set trace_due = true")
    until(lambda: len(received.groups) > groups, within=PATIENCE, what="the spans are sent again")
    assert whole_tree(received, root).keys() == tree.keys()


def test_a_zip_is_one_tree_and_what_is_not_sampled_is_not_sent(
    service: Service, received: Received, content: bytes
) -> None:
    service.start_worker()
    lines = content.splitlines(keepends=True)
    quiet = b"".join([lines[0], *lines[1:5]])
    headers = {**HEADERS, "traceparent": f"00-{'1' * 32}-{SENDER}-00"}
    service.wait_until_applied(service.http.post("/uploads", content=quiet, headers=headers).json()["id"])
    files = {"a.csv": b"".join([lines[0], *lines[5:900]]), "b.csv": b"".join([lines[0], *lines[900:]])}
    answer = service.http.post(
        "/uploads", content=zipped(files), headers={**HEADERS, "Content-Type": "application/zip"}
    )
    upload = service.wait_until_applied(answer.json()["id"])["id"]

    tree = whole_tree(received, answer.headers["traceparent"].split("-")[2])

    assert_says_all(service, tree, upload)
    assert len(named(tree, "upload")) == len(named(tree, "receive")) == 3
    assert received.of_trace("1" * 32) == {}


def test_nothing_of_opentelemetry_is_imported_while_traces_are_off(
    service: Service, received: Received, content: bytes
) -> None:
    service.settings = msgspec.structs.replace(service.settings, traces=False)
    worker = service.start_worker()
    service.wait_until_applied(service.upload(content))

    pids = [worker.pid, *_children(worker.pid)]
    maps = [Path(f"/proc/{pid}/maps").read_text() for pid in pids if Path(f"/proc/{pid}/maps").exists()]
    assert any("polars" in text for text in maps)
    assert not [text for text in maps if "google/_upb" in text]
    assert received.requests == 0


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in found]
