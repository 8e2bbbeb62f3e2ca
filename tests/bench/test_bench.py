"""The benchmark at a tiny size: its report is whole, and it sees a graph that is wrong. No figure is looked at."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from ops.bench import __main__ as program
from ops.bench.plan import QUICK, Plan
from ops.bench.report import Report, Verdict, bars, command_line, lines, machine
from ops.bench.service import running

TINY = msgspec.structs.replace(
    QUICK,
    rows=1500,
    shape_rows=1500,
    edges=1000,
    reference_rows=500,
    stage_rows=1000,
    stream_bytes=1 << 20,
    calm_uploads=5,
    short_uploads=5,
    growth_edges=1000,
    growth_step=500,
    decay_rows=1500,
    read_edges=1000,
    screen_edges=1000,
    screen_uploads=300,
    read_users=2,
    read_seconds=0.0,
    read_least=2,
    read_apis=1,
    read_loads=("none", "full"),
    graphs=2,
    graph_rounds=1,
    workers=1,
    settle_seconds=0.0,
    workloads=("mixed", "pairs"),
)


@pytest.mark.system
@pytest.mark.timeout(400)
def test_a_run_reports_everything_and_ends_with_a_verdict(server_directory: Path) -> None:
    with running(TINY, server_directory) as service:
        service.preload(TINY.edges)
        sections = [measure(service, TINY) for measure in program.SERVED.values()]
        verdict = service.verdict()
        report = Report(command_line(["--rows", "1", "--results", "/x"]), machine("18"), sections, [verdict])
        assert verdict.passed, verdict
        assert verdict.sampled_edges > 50
        assert report.passed
        service.conn.execute(
            "update edges set mention_count = mention_count + 1, weight = weight + 1 where source_id = ("
            "select id from users where handle = (%(handles)s::text[])[1])",
            {"handles": sorted({source for source, _ in service.expected.edges})},
        )
        damaged = service.verdict()
    assert not damaged.exact
    assert damaged.differing_edges > 0
    assert not report._replace(verdicts=[damaged]).passed
    content = json.loads(report.json())
    assert set(content["sections"]) == set(program.SERVED)
    assert content["command"] == "python -m ops.bench --rows 1"
    (mixed, pairs) = content["sections"]["flow"]["runs"]
    assert (mixed["workload"], pairs["workload"]) == ("mixed", "pairs")
    assert mixed["measured"]["facts"]["rows"] == TINY.rows
    assert set(mixed["measured"]["cpu"]) == {"api", "client", "launcher", "postgres", "scheduler", "valkey", "worker"}
    assert mixed["measured"]["counters"]["wal"] > 0
    assert mixed["by_hand_rate"] > 0
    assert mixed["reference_rate"] > 0
    assert mixed["limit_edges"] == mixed["measured"]["facts"]["edges"]
    text = report.markdown()
    for title in (
        "Rates",
        "Costs",
        "CPU seconds",
        "Peak memory",
        "On disk",
        "Stages alone",
        "Decay runs",
        "write load: full, beside",
        "All kinds mixed",
        "Audit: exact",
    ):
        assert title in text
    report.save(server_directory / "results")
    assert {path.name for path in (server_directory / "results").iterdir()} == {
        "results.json",
        "results.md",
        "flow.svg",
        "growth.svg",
    }


def test_options_change_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    plan = program.plan_of(program.parse(["flow", "growth", "--quick", "--rows", "10", "--disk-gib", "1"]))
    assert plan == msgspec.structs.replace(QUICK, modes=("flow", "growth"), rows=10, disk_gib=1)
    with pytest.raises(SystemExit):
        program.parse(["flaw"])
    assert "no such mode: flaw" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["--quick", "--full"])
def test_every_mode_of_a_size_is_there(size: str) -> None:
    plan: Plan = program.plan_of(program.parse([size]))
    assert set(plan.modes) <= {*program.SERVED, "idle"}


def test_a_difference_fails_the_run() -> None:
    right = Verdict(exact=True, audit={}, sampled_authors=1, sampled_edges=1, differing_edges=0, restarts=[])
    report = Report("", {}, [], [right])
    assert report.passed
    for wrong in ({"exact": False}, {"differing_edges": 1}):
        assert not report._replace(verdicts=[right, msgspec.structs.replace(right, **wrong)]).passed


def test_charts_are_drawn() -> None:
    drawings = [
        (bars("a < b", {"x": [2, 1, 3]}), lines("t", [0, 1], {"y": [1, 2]}, x_label="x", y_label="y")) for _ in range(2)
    ]
    assert drawings[0] == drawings[1]
    for drawing in drawings[0]:
        assert drawing.startswith("<svg ")
        assert drawing.endswith("</svg>\n")
    assert "a &lt; b" in drawings[0][0]
