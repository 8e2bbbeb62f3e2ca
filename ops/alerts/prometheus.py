"""A real Prometheus with a real Alertmanager, HAProxy and Redis's exporter, from the machine's packages."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec

from ops.alerts import shortened
from ops.embedded.children import Child, EmbeddedServerError, free_ports

PROGRAMS = {
    "prometheus": "prometheus",
    "alertmanager": "prometheus-alertmanager",
    "exporter": "prometheus-redis-exporter",
    "haproxy": "haproxy",
}
PATIENCE = 5.0


class Missing(EmbeddedServerError):
    """A program that a run needs is not on this machine."""


class Sample(msgspec.Struct, frozen=True):
    """A series that a query found, with its latest value."""

    metric: dict[str, str]
    value: tuple[float, str]

    @property
    def number(self) -> float:
        return float(self.value[1])


def program(name: str) -> str:
    """The path of a program. Raises Missing."""
    found = shutil.which(PROGRAMS[name]) or shutil.which(PROGRAMS[name], path="/usr/sbin") or shutil.which(name)
    if found is None:
        raise Missing(f"{PROGRAMS[name]} is not on this machine: apt-get install {' '.join(PACKAGES)}")
    return found


PACKAGES = ("prometheus", "prometheus-alertmanager", "prometheus-redis-exporter", "haproxy")


class Prometheus:
    """All of them under `directory`, until `close`. `jobs`: the ports of the service's own targets."""

    def __init__(
        self, directory: Path, jobs: Mapping[str, list[int]], apis: list[int], receiver: int, *, read_bound: str
    ) -> None:
        directory.mkdir()
        port, alerts, exporter, self.door, health, metrics = free_ports(6)
        self.url = f"http://127.0.0.1:{port}"
        self._alerts = f"http://127.0.0.1:{alerts}"
        self._stack = ExitStack()
        self._http = httpx.Client(timeout=PATIENCE)
        balancer = shortened.haproxy(directory, apis, outside=self.door, health=health, metrics=metrics)
        rules = shortened.prometheus(
            directory / "prometheus", {**jobs, "haproxy": [metrics]}, alerts, exporter, read_bound=read_bound
        )
        who = shortened.alertmanager(directory, receiver)
        self._children = [
            self._child(directory, "haproxy", ["-db", "-f", balancer], f"http://127.0.0.1:{metrics}/metrics"),
            self._child(
                directory,
                "exporter",
                ["-web.listen-address", f"127.0.0.1:{exporter}", "-redis.addr", "", "-config-command", "-"],
                f"http://127.0.0.1:{exporter}/metrics",
            ),
            self._child(
                directory,
                "alertmanager",
                [
                    f"--config.file={who}",
                    f"--storage.path={directory / 'alertmanager'}",
                    f"--web.listen-address=127.0.0.1:{alerts}",
                    "--cluster.listen-address=",
                ],
                f"{self._alerts}/-/ready",
            ),
            self._child(
                directory,
                "prometheus",
                [
                    f"--config.file={rules}",
                    f"--storage.tsdb.path={directory / 'prometheus' / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    # An alert is sent again each second, so that its end is known soon, too.
                    "--rules.alert.resend-delay=1s",
                ],
                f"{self.url}/-/ready",
            ),
        ]

    def _child(self, directory: Path, name: str, arguments: list[str | Path], ready: str) -> Child:
        argv = [program(name), *map(str, arguments)]
        env = {"METRICS_ADDRESS": "127.0.0.1"}
        return Child(name, argv, log=directory / f"{name}.log", env=env, ready=self._answers(ready))

    def _answers(self, url: str) -> Callable[[], bool]:
        def ask() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return self._http.get(url).is_success
            return False

        return ask

    def start(self) -> None:
        for child in self._children:
            child.start()
            self._stack.callback(child.stop)

    def close(self) -> None:
        self._stack.close()
        self._http.close()

    def query(self, expr: str, at: float | None = None) -> list[Sample]:
        """What a query finds at an instant: now, if there is none. Raises httpx's errors, and ValueError."""
        answer = self._http.get(f"{self.url}/api/v1/query", params={"query": expr, "time": at or time.time()}).json()
        if answer["status"] != "success":
            raise ValueError(f"{expr}: {answer['error']}")
        data: dict[str, Any] = answer["data"]
        if data["resultType"] == "scalar":
            return [Sample({}, (float(data["result"][0]), str(data["result"][1])))]
        return msgspec.convert(data["result"], list[Sample])

    def pending_or_firing(self) -> set[str]:
        """Alerts whose condition holds now, whether for long enough or not."""
        return {sample.metric["alertname"] for sample in self.query("ALERTS")}
