"""This module checks whether processes of this machine do their work. Health checks and `up` use the module."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing
from urllib.parse import SplitResult, urlsplit

import psutil
import psycopg

from app.errors import DatabaseUnavailable
from app.ledger import fleet
from app.ledger.fleet import Role
from app.settings import Settings
from app.store import postgres
from ops import processes

PATIENCE = 3.0
"""Seconds that the API may take to answer."""
STARTING = 60.0
"""Seconds that a process may take before its first good answer."""


class Checkup(threading.Thread):
    """A checkup asks a question every few seconds.

    `failing` is the number of seconds for which the answer has been no. The count begins after the first yes, or when
    `STARTING` is over. A checkup has a thread of its own, so that a server that hangs delays nobody else. The thread
    writes nothing, so it may end at any point.
    """

    def __init__(self, name: str, question: Callable[[], bool], *, seconds: float) -> None:
        super().__init__(name=f"checkup of {name}", daemon=True)
        self._question, self._seconds = question, seconds
        self._over = threading.Event()
        self.failing = 0.0
        self.begin()

    def begin(self) -> None:
        """Start over, because the process that the question is about starts over."""
        self.failing = -STARTING

    def run(self) -> None:
        while not self._over.wait(self._seconds):
            asked = time.monotonic()
            well = self._question()
            # The time of one question counts up to `PATIENCE` only, because the whole machine may have stood still.
            took = self._seconds + min(time.monotonic() - asked, PATIENCE)
            self.failing = 0.0 if well else self.failing + took

    def stop(self) -> None:
        """Ask no more questions. The method does not wait for an answer under way."""
        self._over.set()


def api_answers(settings: Settings, path: str = "/health/live") -> tuple[int, str]:
    """Returns status and body of the answer from this machine's API. Without an answer, returns 0 and the reason."""
    parts = urlsplit(processes.url_of_api(settings))
    with closing(_connection(parts)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, f"it does not answer ({error or type(error).__name__})"


def _connection(parts: SplitResult) -> http.client.HTTPConnection:
    """A connection that believes whoever answers: the question is whether a process on this machine does, and holds no
    secret. A certificate that was just renewed must not make the API look dead."""
    host = parts.hostname or ""
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, parts.port, timeout=PATIENCE)
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, parts.port, timeout=PATIENCE, context=anybody)


def ailment(settings: Settings, role: Role, *, under: int = 0) -> str | None:
    """Returns what is wrong with the processes of this role on this machine, or None if nothing is wrong.

    With `under`, only processes that descend from this process id count. Raises DatabaseUnavailable or psycopg's errors
    if PostgreSQL can't tell.
    """
    with postgres.connect(settings.database_url, role="health") as conn:
        ours = [each for each in fleet.seen(conn) if each.role is role and each.here]
    return fleet.ailment([each for each in ours if not under or descends(each.pid, under)], settings)


def goes_on(settings: Settings, role: Role, *, under: int) -> bool:
    """Whether the processes that descend from `under` are well.

    The answer is also yes while PostgreSQL is away, because then nobody knows, and no restart helps.
    """
    try:
        return ailment(settings, role, under=under) is None
    except (DatabaseUnavailable, psycopg.Error):
        return True


def descends(pid: int, ancestor: int) -> bool:
    """Whether `pid` is the process `ancestor`, or its child, or a child of its child, and so on."""
    try:
        return pid == ancestor or ancestor in {each.pid for each in psutil.Process(pid).parents()}
    except psutil.Error:
        return False
