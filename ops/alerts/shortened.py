"""The shipped configurations of Prometheus, Alertmanager and HAProxy, as a run on one machine needs them.

A run has minutes where operation has days. So its rules are the shipped ones with shorter times: a minute becomes three
seconds, and long windows become those of `WINDOWS`. Thresholds stay, and so does the promise of 60 seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ops.processes import ROOT

MONITORING = ROOT / "ops" / "monitoring"
RULES = MONITORING / "prometheus" / "rules"
HAPROXY = ROOT / "ops" / "compose" / "haproxy" / "haproxy.cfg"

MINUTE = 3
"""Seconds that a minute becomes: a process that is started again has them before anybody is told."""
WINDOWS = {"30m": "20s", "1h": "30s", "6h": "40s", "1d": "60s", "3d": "60s"}
"""What windows become that would still be too long."""

API_SECONDS = 3
"""An API is asked each so many seconds, not each second: while PostgreSQL hangs, its answer takes two."""

PROMISED_READ = "0.1"
"""Seconds that the promise gives a read, as the rules have them."""

Jobs = Mapping[str, list[int]]
"""The ports on 127.0.0.1 of the targets of each job."""


def rules(text: str, read_bound: str = PROMISED_READ) -> str:
    """The text of a file of rules, with shorter times, and with another bound of what a slow read is."""
    text = text.replace(f'le="{PROMISED_READ}"', f'le="{read_bound}"')
    text = re.sub(r"(?<=\[)\d+[smhd](?=\])", lambda found: _shorter(found[0]), text)
    return re.sub(r"(?<= for: )\d+[smhd]$", lambda found: _shorter(found[0]), text, flags=re.MULTILINE)


def _shorter(duration: str) -> str:
    if duration in WINDOWS:
        return WINDOWS[duration]
    if not duration.endswith("m"):
        raise ValueError(f"{duration}: nobody has said what this becomes in a run")
    return f"{int(duration.removesuffix('m')) * MINUTE}s"


def prometheus(
    directory: Path, jobs: Jobs, alertmanager: int, exporter: int, *, read_bound: str = PROMISED_READ
) -> Path:
    """Write the configuration and the rules. Returns the configuration's path. Redis's jobs go by its exporter."""
    (directory / "rules").mkdir(parents=True)
    for file in RULES.glob("*.yml"):
        (directory / "rules" / file.name).write_text(rules(file.read_text("utf-8"), read_bound), "utf-8")
    shipped = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text("utf-8"))
    shipped["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    (told,) = shipped["alerting"]["alertmanagers"]
    told["static_configs"] = [{"targets": [f"127.0.0.1:{alertmanager}"]}]
    shipped["scrape_configs"] = [
        _job(each, jobs, exporter) for each in shipped["scrape_configs"] if each["job_name"] in jobs
    ]
    path = directory / "prometheus.yml"
    path.write_text(yaml.safe_dump(shipped), "utf-8")
    return path


def _job(shipped: dict[str, Any], jobs: Jobs, exporter: int) -> dict[str, Any]:
    """A job of the shipped configuration, with targets of this machine."""
    by_exporter = "relabel_configs" in shipped
    targets = [f"{'redis://' if by_exporter else ''}127.0.0.1:{port}" for port in jobs[shipped["job_name"]]]
    job = {name: value for name, value in shipped.items() if not name.endswith("sd_configs")}
    if shipped["job_name"] == "mentiongraph-api":
        job |= {"scrape_interval": f"{API_SECONDS}s", "scrape_timeout": f"{API_SECONDS}s"}
    if by_exporter:
        *others, last = job["relabel_configs"]
        job["relabel_configs"] = [*others, last | {"replacement": f"127.0.0.1:{exporter}"}]
    return job | {"static_configs": [{"targets": targets}]}


def alertmanager(directory: Path, receiver: int) -> Path:
    """Write the configuration: whatever is told, is told at once, and to the receiver. Returns its path."""
    shipped = yaml.safe_load((MONITORING / "alertmanager" / "alertmanager.yml").read_text("utf-8"))
    soon = {"group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h"}
    shipped["route"] |= soon
    shipped["route"]["routes"] = [route | soon for route in shipped["route"]["routes"]]
    url = f"http://127.0.0.1:{receiver}/"
    shipped["receivers"] = [
        {"name": each["name"], "webhook_configs": [{"url": f"{url}{each['name']}", "send_resolved": True}]}
        for each in shipped["receivers"]
    ]
    path = directory / "alertmanager.yml"
    path.write_text(yaml.safe_dump(shipped), "utf-8")
    return path


def haproxy(directory: Path, apis: list[int], *, outside: int, health: int, metrics: int) -> Path:
    """Write the load balancer's configuration, with servers and ports of this machine. Returns its path."""
    text = HAPROXY.read_text("utf-8")
    servers = "\n".join(f"  server api-{number} 127.0.0.1:{port} check" for number, port in enumerate(apis, start=1))
    for pattern, new in {
        r"bind :8000": f"bind 127.0.0.1:{outside}",
        r"stats socket .*": "",
        r"bind 127.0.0.1:8405": f"bind 127.0.0.1:{health}",
        r'bind "\$\{METRICS_ADDRESS\}:8404"': f"bind 127.0.0.1:{metrics}",
        r"^  server-template .*$": servers,
    }.items():
        text, found = re.subn(pattern, new, text, flags=re.MULTILINE)
        if not found:
            raise ValueError(f"{HAPROXY} has no {pattern}")
    path = directory / "haproxy.cfg"
    path.write_text(text, "utf-8")
    return path
