"""The proxy as the chaos run has it: a child, and the rules it is given."""

from __future__ import annotations

import contextlib
import itertools
import socket
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ops.chaos.proxy import Rule
from ops.embedded.children import Child
from ops.processes import ROOT

PATIENCE = 10.0


class Links:
    """Links from `pairs`: the port listened on, the port that is meant."""

    def __init__(self, pairs: Mapping[int, int], control: int, log: Path) -> None:
        self._control = control
        self._names = itertools.count(1)
        self._lock = threading.Lock()
        argv = (sys.executable, "-P", "-m", "ops.chaos.proxy", str(control))
        self.child = Child(
            "proxy",
            [*argv, *(f"{link}:{target}" for link, target in pairs.items())],
            log=log,
            env={"PYTHONPATH": str(ROOT)},
            ready=self._answers,
        )

    @contextmanager
    def rule(self, mode: str, *links: int, **more: object) -> Generator[None]:
        """A rule for as long as the block lasts; see `Rule`."""
        with self._lock:
            name = next(self._names)
        self._send(msgspec.convert({"name": name, "mode": mode, "links": list(links), **more}, type=Rule))
        try:
            yield
        finally:
            self._send(Rule(name))

    def _send(self, rule: Rule) -> None:
        with socket.create_connection(("127.0.0.1", self._control), timeout=PATIENCE) as control:
            control.sendall(msgspec.json.encode(rule) + b"\n")
            if control.recv(3) != b"ok\n":
                raise ConnectionError(f"the proxy did not take {rule}")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            self._send(Rule(0))
            return True
        return False
