"""Who is told: an HTTP server that writes down what Alertmanager sends, and when."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import msgspec


class Told(NamedTuple):
    """An alert began or ended. `at` is as `time.time` has it."""

    alert: str
    labels: dict[str, str]
    receiver: str
    firing: bool
    at: float

    @property
    def key(self) -> tuple[str, ...]:
        """One alert of a name; there may be several, of several graphs or targets."""
        return tuple(f"{name}={value}" for name, value in sorted(self.labels.items()))


class Receiver:
    """Listens on 127.0.0.1 until `close`."""

    def __init__(self) -> None:
        self._told: list[Told] = []
        self._lock = threading.Lock()
        note = self._note

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                note(msgspec.json.decode(body), self.path.strip("/"))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _note(self, message: dict[str, Any], receiver: str) -> None:
        """Alertmanager sends a group whole: only what is news about an alert counts."""
        now = time.time()
        with self._lock:
            for alert in message["alerts"]:
                told = Told(alert["labels"]["alertname"], alert["labels"], receiver, alert["status"] == "firing", now)
                if self._latest(told.key) is not told.firing:
                    self._told.append(told)

    def _latest(self, key: tuple[str, ...]) -> bool:
        return next((each.firing for each in reversed(self._told) if each.key == key), False)

    def since(self, instant: float) -> list[Told]:
        """What was told after the instant, in its order."""
        with self._lock:
            return [each for each in self._told if each.at >= instant]

    def firing(self) -> set[str]:
        """The names of the alerts that were told to fire, and not yet to have ended."""
        with self._lock:
            latest = {each.key: each for each in self._told}
        return {each.alert for each in latest.values() if each.firing}
