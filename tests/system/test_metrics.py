"""Metrics of real processes: the counters are the ledger's whatever is killed, and each process has a port."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.metrics.table import PREFIX
from app.settings import Settings
from app.store import postgres
from ops import processes
from ops.embedded.children import free_ports
from ops.workloads.generate import generate
from tests.conftest import until
from tests.system.test_cli import answer, run
from tests.system.test_end_to_end import PATIENCE, Service, holding, wait_until_a_worker_is_stuck

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

CLIENT = httpx.Client(timeout=10, verify=False)  # noqa: S501 (plain HTTP; reading the authorities takes a second)
WIDTH = 5
"""Ports of the range for workers and scheduler."""


def at(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float] | None:
    """The samples at an address; None if nobody listens there."""
    try:
        text = CLIENT.get(url).text
    except httpx.TransportError:
        return None
    return {
        (sample.name.removeprefix(PREFIX), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def first_port() -> int:
    return min(free_ports(1)[0], 65_000)


@pytest.fixture
def service(settings: Settings, tmp_path: Path, first_port: int) -> Generator[Service]:
    """The API and a scheduler run, with short claims."""
    [port] = free_ports(1)
    service = Service(
        msgspec.structs.replace(
            settings,
            port=port,
            batch_bytes=64_000,
            claim_seconds=2.0,
            sweep_seconds=0.5,
            worker_processes=2,
            worker_threads=2,
            worker_metrics_listen=f"127.0.0.1:{first_port}-{first_port + WIDTH - 1}",
        ),
        tmp_path,
    )
    with service.children, service.http:
        service.start_api()
        yield service


def listening(first_port: int) -> list[Any]:
    """What each process tells that listens in the range."""
    told = (at(f"http://127.0.0.1:{port}/metrics") for port in range(first_port, first_port + WIDTH))
    return [samples for samples in told if samples]


def test_counters_are_the_ledgers_although_workers_are_killed(service: Service, first_port: int) -> None:
    service.start("scheduler", processes.scheduler(service.settings))
    worker = service.start_worker()
    first, second = (b"".join(generate(2000, seed, bad_rows=0.01)) for seed in (3, 5))
    service.wait_until_applied(service.upload(first))
    until(lambda: len(listening(first_port)) == 3, within=PATIENCE, what="two workers and the scheduler have ports")
    assert any(name == "messages_total" for told in listening(first_port) for name, _ in told)
    assert any(name == "work_duration_seconds_count" for told in listening(first_port) for name, _ in told)
    with holding(service, "SELECT FROM edges FOR UPDATE"):
        upload = service.upload(second)
        wait_until_a_worker_is_stuck(service, "UPDATE edges")
        worker.kill()
    service.start_worker()
    service.wait_until_applied(upload)

    with postgres.connect(service.settings.database_url, role="test") as conn:
        row = conn.execute(
            "SELECT sum(rows_accepted), sum(rows_rejected), sum(mentions), count(*) FROM batches"
        ).fetchone()
        codes = dict(
            conn.execute(
                "SELECT c.key, sum(c.value::integer) FROM batches AS b "
                "CROSS JOIN LATERAL jsonb_each(b.reject_codes) AS c GROUP BY c.key"
            ).fetchall()
        )
    assert row is not None
    accepted, rejected, mentions, batches = map(int, row)
    assert rejected > 0
    wanted = {
        ("rows_total", "counted"): accepted,
        ("rows_total", "rejected"): rejected,
        ("mentions_total", None): mentions,
        ("batch_ends_total", "applied"): batches,
        ("upload_ends_total", "applied"): 2,
        **{("rejects_total", code): int(number) for code, number in codes.items()},
    }

    def told() -> dict[tuple[str, str | None], float]:
        samples = at(f"{processes.url_of_api(service.settings)}/metrics") or {}
        return {
            (name, next((value for label, value in labels if label != "graph"), None)): value
            for (name, labels), value in samples.items()
            if ("graph", "default") in labels
        }

    until(lambda: {each: told().get(each) for each in wanted} == wanted, within=PATIENCE, what=f"{wanted} is told")


def test_top_shows_rates_of_an_interval(service: Service) -> None:
    service.start_worker()
    service.wait_until_applied(service.upload(b"".join(generate(500, 3))))
    once = ("top", "--api", processes.url_of_api(service.settings), "--once", "--every", "1")

    shown = run(*once)
    assert shown.returncode == 0, shown.stderr
    for words in ("default", "workers 2", "slowest step"):
        assert words in shown.stdout

    document = answer(*once)
    assert document["workers"] == 2
    assert [row["graph"] for row in document["graphs"]] == ["default"]
    assert document["graphs"][0]["batches_waiting"] == 0
