"""Steady clients: small uploads and reads through the load balancer, whatever becomes of them."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence

import httpx

from ops.chaos.files import chunk_lines
from ops.workloads.generate import HEADER

UPLOADERS, READERS = 10, 4
UPLOAD_EVERY, READ_EVERY = 8.0, 1.0
"""Seconds between two requests of a client: five uploads in four seconds, and 4 reads a second, together."""
ROWS = 200
EXPORT = 10
"""One read of so many is an export."""
PATIENCE = 30.0
RANKINGS = ("/rankings/edges", "/rankings/mentioned", "/rankings/mentioning", "/users")


class Traffic:
    """Threads from `start` to `close`. `bases`: with what the paths of each graph begin."""

    def __init__(self, url: str, bases: Sequence[str]) -> None:
        self.asked = 0
        self.failed = 0
        self._url, self._bases = url, bases
        self._lines = chunk_lines(1, 0)
        self._numbers = itertools.count(1)
        self._closing = threading.Event()
        self._threads = [
            *(threading.Thread(target=self._go_on, args=(self._upload, UPLOAD_EVERY)) for _ in range(UPLOADERS)),
            *(threading.Thread(target=self._go_on, args=(self._read, READ_EVERY)) for _ in range(READERS)),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join(PATIENCE + 5)

    def _go_on(self, ask: Callable[[httpx.Client, int], httpx.Response], every: float) -> None:
        due = time.monotonic() + random.random() * every
        with httpx.Client(base_url=self._url, timeout=PATIENCE) as client:
            while not self._closing.wait(max(0.0, due - time.monotonic())):
                due = max(due + every, time.monotonic())
                well = False
                with contextlib.suppress(httpx.TransportError):
                    well = ask(client, next(self._numbers)).status_code < httpx.codes.INTERNAL_SERVER_ERROR
                self.asked, self.failed = self.asked + 1, self.failed + (not well)

    def _upload(self, client: httpx.Client, number: int) -> httpx.Response:
        start = random.randrange(len(self._lines) - ROWS)
        # The first row makes the file another one than all before, and the last is rejected.
        rows = [
            b"%d @nora_fox,2026-11-01T12:00:00Z,ada" % number,
            *self._lines[start : start + ROWS],
            b"no day @nora_fox,never,ada",
        ]
        return client.post(
            f"{self._bases[number % len(self._bases)]}/uploads",
            content=HEADER + b"\n".join(rows) + b"\n",
            params={"filename": f"{number}.csv", "priority": random.choice(("urgent", "bulk"))},
            headers={"Content-Type": "text/csv"},
        )

    def _read(self, client: httpx.Client, number: int) -> httpx.Response:
        if number % EXPORT == 0:
            return client.get(self._bases[number % len(self._bases)] + "/export/edges.csv")
        path = RANKINGS[number % len(RANKINGS)]
        # Another limit each time: few of the answers are cached.
        return client.get(self._bases[number % len(self._bases)] + path, params={"limit": 1 + number % 100})
