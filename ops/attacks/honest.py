"""A client who means well, beside every attack: small uploads and cheap reads, each with the time that it took."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

PAUSE_SECONDS = 0.2
ANSWER_SECONDS = 30.0
ROWS = 3


class Asked(NamedTuple):
    """One request: when it began (`time.monotonic`), what it was, its seconds, and the status of its answer.

    Status 0: there was no answer.
    """

    began: float
    what: str
    seconds: float
    status: int

    @property
    def good(self) -> bool:
        return self.status in {HTTPStatus.OK, HTTPStatus.ACCEPTED}


class Honest:
    """Asks until `close`. `asked` has every request; `rows` is the number of rows in accepted uploads."""

    def __init__(self, host: str, port: int, reader: str) -> None:
        self._place = host, port
        self._reader = reader
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._http: HTTPConnection | None = None
        self.asked: list[Asked] = []
        self.rows = 0
        self.uploads: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def between(self, began: float, ended: float) -> list[Asked]:
        """The requests that were under way between two instants."""
        return [each for each in self.asked if each.began < ended and each.began + each.seconds > began]

    def _go_on(self) -> None:
        number = 0
        while not self._over.wait(PAUSE_SECONDS):
            number += 1
            if number % 4 == 0:
                self._upload(number)
            else:
                self.ask("read", "GET", f"/users/{self._reader}")

    def _upload(self, number: int) -> None:
        lines = (f"hello @friend{number % 50},2026-01-01T00:00:0{row}Z,writer{number}" for row in range(ROWS))
        body = "\n".join(["data,timestamp,username", *lines, ""]).encode()
        answer = self.ask("upload", "POST", "/uploads", body)
        if answer is not None:
            self.uploads.append(str(answer["id"]))
            self.rows += ROWS

    def ask(self, what: str, method: str, path: str, body: bytes | None = None) -> dict[str, object] | None:
        """Ask once, and keep the time. Returns the answer, if it is a good one."""
        began, status, content = time.monotonic(), 0, b""
        try:
            self._http = self._http or HTTPConnection(*self._place, timeout=ANSWER_SECONDS)
            self._http.request(method, path, body, {"Content-Type": "text/csv"} if body else {})
            answered = self._http.getresponse()
            content, status = answered.read(), answered.status
        except (OSError, HTTPException):
            self._hang_up()
        self.asked.append(Asked(began, what, time.monotonic() - began, status))
        return json.loads(content) if self.asked[-1].good else None

    def _hang_up(self) -> None:
        if self._http is not None:
            with suppress(OSError):
                self._http.close()
            self._http = None
