"""Rules, configurations and dashboards: do Prometheus and Alertmanager take them, and do they name what there is?"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from app.metrics.table import BY_NAME, PREFIX, Kind
from docs import generated
from ops.alerts import cases, shortened
from ops.alerts.dashboards import DASHBOARDS, panels

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "ops" / "monitoring"
RULES = MONITORING / "prometheus" / "rules"
TRIED = sorted(Path(__file__).parent.glob("*.yml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
PROMTOOL, AMTOOL = shutil.which("promtool"), shutil.which("amtool")

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (Debian's package prometheus)")
needs_amtool = pytest.mark.skipif(AMTOOL is None, reason="needs amtool (Debian's package prometheus-alertmanager)")


def says(*command: str | Path | None) -> str:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_prometheus_takes_configuration_and_rules() -> None:
    assert "SUCCESS" in says(PROMTOOL, "check", "config", MONITORING / "prometheus" / "prometheus.yml")
    says(PROMTOOL, "check", "rules", *RULES.glob("*.yml"))


@needs_promtool
@pytest.mark.timeout(240)
def test_every_rule_fires_when_it_should_and_only_then() -> None:
    says(PROMTOOL, "test", "rules", *TRIED)


@needs_promtool
def test_prometheus_takes_what_a_run_makes_of_the_rules(tmp_path: Path) -> None:
    jobs = {"mentiongraph-api": [1], "mentiongraph-worker": [2], "redis": [3], "haproxy": [4]}
    says(PROMTOOL, "check", "config", shortened.prometheus(tmp_path / "prometheus", jobs, 5, 6))


@needs_amtool
def test_alertmanager_takes_its_configuration(tmp_path: Path) -> None:
    says(AMTOOL, "check-config", MONITORING / "alertmanager" / "alertmanager.yml")
    says(AMTOOL, "check-config", shortened.alertmanager(tmp_path, 1))


@needs_amtool
@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_pages_and_tickets_have_receivers_of_their_own(severity: str) -> None:
    file = MONITORING / "alertmanager" / "alertmanager.yml"
    assert says(AMTOOL, "config", "routes", "test", f"--config.file={file}", f"severity={severity}").strip() == severity


def rules() -> Iterator[dict[str, Any]]:
    for file in RULES.glob("*.yml"):
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]:
            yield from group["rules"]


def test_every_alert_is_tried() -> None:
    tried = {name for file in TRIED for name in re.findall(r'\{alertname="(\w+)"\}', file.read_text("utf-8"))}
    assert tried == {rule["alert"] for rule in rules() if "alert" in rule}


def test_a_run_expects_alerts_that_there_are() -> None:
    named = {name for case in cases.CASES for name in case.raises | case.later | case.beside}
    assert named <= {rule["alert"] for rule in rules() if "alert" in rule}


def test_every_alert_leads_to_a_page_that_begins_with_its_command() -> None:
    for rule in generated.alert_rules():
        page = (RUNBOOKS / f"{generated.runbook_of(rule)}.md").read_text("utf-8")
        first = re.match(r"# [^\n]+\n\n```console\n\$ ([^\n]+)\n", page)
        assert first, f"{rule['alert']}: the page does not begin with a command"
        assert first[1] == rule["annotations"]["run"], rule["alert"]
        assert f"`{rule['alert']}`" in page, f"{rule['alert']} is not named on its page"
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_no_runbook_is_left_without_an_alert() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"index"}
    assert pages == {generated.runbook_of(rule) for rule in generated.alert_rules()}
    index = (RUNBOOKS / "index.md").read_text("utf-8")
    assert {page for page in pages if not re.search(rf"^{page}$", index, re.MULTILINE)} == set()


def queries() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in panels():
        yield f"{panel.dashboard}: {panel.title}", panel.expr


_METRIC = re.compile(rf"\b{PREFIX}(\w+)(?:\{{([^}}]*)\}})?")


def test_queries_name_metrics_and_labels_that_there_are() -> None:
    for where, expr in queries():
        for name, selector in _METRIC.findall(expr):
            metric = BY_NAME.get(name) or BY_NAME.get(re.sub("_(bucket|count|sum)$", "", name))
            assert metric, f"{where}: no metric {PREFIX}{name}"
            assert (metric.kind is Kind.HISTOGRAM) == (metric.name != name), f"{where}: {name} is a {metric.kind}"
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
            assert labels <= {*metric.labels, "le", "instance", "job"}, f"{where}: {name} has no such label"
            bounds = re.findall(r'le="([^"]+)"', selector)
            assert set(bounds) <= {str(bound) for bound in metric.buckets}, f"{where}: {name} has no such bucket"


def test_what_the_ledger_tells_is_taken_once() -> None:
    """Every API tells it, so a sum over the APIs would count it twice."""
    for where, expr in queries():
        flat = " ".join(expr.split())
        for name in _METRIC.findall(flat):
            metric = BY_NAME.get(name[0]) or BY_NAME[re.sub("_(bucket|count|sum)$", "", name[0])]
            if {"ledger", "service"} & {source.value for source in metric.source} and "sum" in flat:
                assert "max without (instance, job)" in flat, f"{where}: {PREFIX}{name[0]}"


@pytest.mark.parametrize("path", sorted(DASHBOARDS.glob("*.json")), ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path: Path) -> None:
    dashboard = msgspec.json.decode(path.read_bytes())
    assert dashboard["uid"] == f"mentiongraph-{path.stem}"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "prometheus"}
    places = [tuple(panel["gridPos"].values())[:2] for panel in dashboard["panels"]]
    assert len(set(places)) == len(places), "two panels at one place"


@needs_promtool
def test_prometheus_understands_every_panel(tmp_path: Path) -> None:
    groups = [{"record": f"panel:{number}", "expr": panel.expr} for number, panel in enumerate(panels())]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": groups}]}))
    says(PROMTOOL, "check", "rules", "--lint=none", file)


def test_grafana_finds_what_is_mounted() -> None:
    compose = yaml.safe_load(re.sub(r"\$\{\w+:[-?]([^}]*)\}", r"\1", (ROOT / "compose.yaml").read_text("utf-8")))
    services = compose["services"]
    (provider,) = yaml.safe_load((MONITORING / "grafana/provisioning/dashboards/mentiongraph.yml").read_text("utf-8"))[
        "providers"
    ]
    mounted = {target: source for source, target, *_ in (each.split(":") for each in services["grafana"]["volumes"])}
    assert mounted[provider["options"]["path"]] == "./ops/monitoring/grafana/dashboards"
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / home.replace(provider["options"]["path"], "ops/monitoring/grafana/dashboards")).exists()
    sources = yaml.safe_load((MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text("utf-8"))
    for source in sources["datasources"]:
        host, port = re.findall(r"http://(\w+):(\d+)", source["url"])[0]
        assert host in services
        assert services[host]["healthcheck"]["test"][-1].startswith(f"http://127.0.0.1:{port}/")


def test_prometheus_asks_where_the_services_listen() -> None:
    compose = yaml.safe_load(re.sub(r"\$\{\w+:[-?]([^}]*)\}", r"\1", (ROOT / "compose.yaml").read_text("utf-8")))
    services, environment = compose["services"], compose["x-mentiongraph"]["environment"]
    shipped = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text("utf-8"))
    jobs = {job["job_name"]: job for job in shipped["scrape_configs"]}
    asked = {
        (name, each["port"])
        for job in jobs.values()
        for each in job.get("dns_sd_configs", [])
        for name in each["names"]
    }
    first, last = map(int, environment["MENTIONGRAPH_WORKER_METRICS_LISTEN"].rpartition(":")[2].split("-"))
    workers = {name for name in services if name.startswith("worker")}
    assert {name for name, _ in asked} == {"api", "scheduler", *workers}
    assert ("api", int(environment["MENTIONGRAPH_METRICS_LISTEN"].rpartition(":")[2])) in asked
    assert all(first <= port <= last for name, port in asked if name != "api")
    for name in workers:
        command = services[name]["command"]
        count = int(command[command.index("--processes") + 1])
        assert {port for each, port in asked if each == name} == set(range(first, first + count)), name
    redis = {target for job in ("redis", "sentinel") for target in jobs[job]["static_configs"][0]["targets"]}
    assert {target.split("/")[2].split(":")[0] for target in redis} == {
        name for name in services if re.match(r"(redis|sentinel)-\d", name)
    }
    for rule in rules():
        assert set(re.findall(r'job="([\w-]+)"', rule["expr"])) <= jobs.keys()
