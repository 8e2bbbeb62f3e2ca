"""Whether processes of this machine go on with what they are there for: asked by health checks and by `up`."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

import psutil
import psycopg

from app.errors import DatabaseUnavailable
from app.ledger import fleet
from app.ledger.fleet import Role
from app.settings import Settings
from app.store import postgres
from ops import processes

PATIENCE = 3.0
"""Seconds the API may take to answer."""
STARTING = 60.0
"""Seconds that a process has before its first good answer."""


class Checkup(threading.Thread):
    """Asks a question every few seconds. `failing`: for how many seconds the answer has been no, once it was yes or
    `STARTING` is over.

    In a thread of its own: a server that hangs holds up nobody else. Nothing is written by it, so it may end anywhere.
    """

    def __init__(self, name: str, question: Callable[[], bool], *, seconds: float) -> None:
        super().__init__(name=f"checkup of {name}", daemon=True)
        self._question, self._seconds = question, seconds
        self._over = threading.Event()
        self.failing = 0.0
        self.begin()

    def begin(self) -> None:
        """What it asks about begins anew."""
        self.failing = -STARTING

    def run(self) -> None:
        while not self._over.wait(self._seconds):
            asked = time.monotonic()
            well = self._question()
            # At most what one question takes: the whole machine may have stood still.
            took = self._seconds + min(time.monotonic() - asked, PATIENCE)
            self.failing = 0.0 if well else self.failing + took

    def stop(self) -> None:
        """Ask no more. Does not wait for the answer to come."""
        self._over.set()


def api_answers(settings: Settings, path: str = "/health/live") -> tuple[int, str]:
    """Status and body of what the API of this machine answers; status 0 and why, if it does not."""
    parts = urlsplit(processes.url_of_api(settings))
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, f"it does not answer ({error or type(error).__name__})"


def ailment(settings: Settings, role: Role, *, under: int = 0) -> str | None:
    """What is wrong with the processes of this role on this machine, or with those of them that descend from `under`.

    Raises DatabaseUnavailable or psycopg's errors: then nobody knows.
    """
    with postgres.connect(settings.database_url, role="health") as conn:
        ours = [each for each in fleet.seen(conn) if each.role is role and each.here]
    return fleet.ailment([each for each in ours if not under or descends(each.pid, under)], settings)


def goes_on(settings: Settings, role: Role, *, under: int) -> bool:
    """Whether those that descend from `under` are well, or nobody knows: PostgreSQL is away, and no restart helps."""
    try:
        return ailment(settings, role, under=under) is None
    except (DatabaseUnavailable, psycopg.Error):
        return True


def descends(pid: int, ancestor: int) -> bool:
    """Whether a process is the other one, its child, its child's child, …"""
    try:
        return pid == ancestor or ancestor in {each.pid for each in psutil.Process(pid).parents()}
    except psutil.Error:
        return False
