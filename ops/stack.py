"""The embedded stack: PostgreSQL, Valkey, API, workers and scheduler as supervised children over one data directory."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from app.control import databases
from app.ledger.fleet import Role
from app.settings import Settings
from app.store.postgres import clock
from ops import admin_key, checkup, processes
from ops.checkup import Checkup
from ops.directory import DataDirectory, link_log
from ops.embedded import roles
from ops.embedded.children import Child
from ops.embedded.postgres import Postgres, shared_buffers
from ops.embedded.supervisor import Supervisor
from ops.embedded.valkey import Valkey
from ops.processes import Command

Step = Callable[[str, str], AbstractContextManager[None]]
"""Wraps one step of the start; gets its name and a detail to show."""

# Together with the servers' own patience, a stop takes less than ten seconds. Work that a stop cuts off is in the
# ledger, and is done after the next start.
API_PATIENCE = 2
WORKER_PATIENCE = 3
GRACE = 1.0
"""Seconds that a process has beyond its patience. Then it is killed."""
RECOVERY_PATIENCE = 600.0
"""Seconds that PostgreSQL has to come up. After a crash, PostgreSQL reads its log since the last checkpoint. A server
that is killed meanwhile would begin again."""


ONLY_SCRAM = "require_auth=scram-sha-256"
"""For libpq: a program that took the port of a PostgreSQL that ended can't make our processes tell their password. The
servers of other graphs may do as their addresses say."""
QUEUE_MEMORY = "256mb"
"""Of Valkey. When it is used up, cached answers go first: nothing else expires. Then new messages are refused, and a
sweep finds the work. No message is ever forgotten."""


class Stack:
    """Started in order, stopped in reverse: API, workers, scheduler, Valkey, PostgreSQL.

    `settings` say host, port, numbers of processes and everything else but the servers' addresses. The caller has taken
    the directory, and releases it after `stop`. `listening` is the API's socket, where only root could have opened it.
    """

    def __init__(self, directory: DataDirectory, settings: Settings, listening: socket.socket | None = None) -> None:
        self.settings = settings
        self.superuser_url = ""
        """The database for whoever may do everything. Neither the API nor a worker has this address."""
        self._listening = listening
        self.logs = directory.logs
        self._directory = directory
        self._supervisor = Supervisor()
        self._alive: dict[str, bool] = {}
        self._checkups: dict[str, Checkup] = {}
        self.news: list[str] = []
        """What changed since the last run: servers with another port, and graphs that could not be migrated."""

    def start(self, step: Step) -> None:
        """Start everything. Raises EmbeddedServerError, and leaves nothing running, if a process does not come up."""
        data = self._directory.path
        # Each server keeps its port when it is started again: the other processes were told these.
        ports, self.news = self._directory.server_ports()
        postgres = Postgres(
            data / "postgres", ports.postgres, timeout=RECOVERY_PATIENCE, shared_buffers=shared_buffers()
        )
        valkey = Valkey(
            data / "valkey",
            ports.redis,
            password=self._directory.secret("valkey"),
            namespace=self.settings.namespace,
            maxmemory=QUEUE_MEMORY,
            maxmemory_policy="volatile-lru",
        )
        link_log(self.logs / "postgres.log", data / "postgres.log")
        link_log(self.logs / "valkey.log", data / "valkey" / "valkey.log")
        first = not (data / "postgres").exists()
        with step("PostgreSQL", f"port {ports.postgres}" + (", a new database cluster" if first else "")):
            self._supervisor.start("postgres", postgres)
        with step("Valkey", f"port {ports.redis}, speaks Redis's protocol"):
            self._supervisor.start("valkey", valkey)
        self.superuser_url = postgres.dsn()
        password, owner_password = (self._directory.secret(role) for role in (roles.APP, roles.OWNER))
        with step("Schema", "migrations"):
            roles.wait_until_writable(self.superuser_url, RECOVERY_PATIENCE)
            roles.prepare(self.superuser_url, password, owner_password)
            admin_key.ensure(data, self.superuser_url, now=clock())
        self.settings = msgspec.structs.replace(
            self.settings,
            database_url=postgres.dsn_of(roles.APP, password),
            owner_url=postgres.dsn_of(roles.OWNER, owner_password),
            redis_url=valkey.url,
            database_directory=self.settings.database_directory or str((data / "postgres").absolute()),
        )
        for each in databases.migrate_all(self.settings):
            if each.error is not None:
                self.news.append(f"the graph {each.graph.name} is not migrated: {each.error.detail}")
        self._start_our_own(step)
        self._directory.publish(self.settings)
        self._check_up("valkey", valkey.ping)
        self._alive = {status.name: status.alive for status in self._supervisor.status()}

    def _start_our_own(self, step: Step) -> None:
        settings, count = _guarded(self.settings), self.settings.worker_processes
        with step("Scheduler", "asks workers for periodic work"):
            scheduler = self._start("scheduler", processes.scheduler(settings), patience=1)
        with step("Workers", f"{count} process{'es' if count > 1 else ''} of {settings.worker_threads} threads"):
            command = processes.worker(settings, patience=WORKER_PATIENCE)
            worker = self._start("worker", command, patience=WORKER_PATIENCE)
        with step("API", processes.url_of_api(settings)):
            shared = None if self._listening is None else self._listening.fileno()
            command = processes.api(settings, patience=API_PATIENCE, listening=shared)
            self._start(
                "api", command, patience=API_PATIENCE, ready=self._heard, keep_open=() if shared is None else (shared,)
            )
        self._check_up("scheduler", lambda: checkup.goes_on(settings, Role.SCHEDULER, under=scheduler.pid))
        self._check_up("worker", lambda: checkup.goes_on(settings, Role.WORKER, under=worker.pid))
        self._check_up("api", lambda: checkup.api_answers(settings)[0] != 0)

    def _check_up(self, name: str, question: Callable[[], bool]) -> None:
        self._checkups[name] = Checkup(name, question, seconds=self.settings.heartbeat_seconds)
        self._checkups[name].start()

    def _start(
        self,
        name: str,
        command: Command,
        *,
        patience: int,
        ready: Callable[[], bool] | None = None,
        keep_open: Sequence[int] = (),
    ) -> Child:
        child = Child(
            name,
            command.argv,
            env=command.env,
            cwd=self._directory.path,
            log=self.log_of(name),
            ready=ready,
            keep_open=keep_open,
            grace=patience + GRACE,
        )
        self._supervisor.start(name, child)
        return child

    def _heard(self) -> bool:
        if self._listening is not None:  # somebody always listens, so only an answer shows that the API runs
            return checkup.api_answers(self.settings)[0] != 0
        parts = urlsplit(processes.url_of_api(self.settings))
        with contextlib.suppress(OSError), socket.create_connection((parts.hostname, parts.port), timeout=1):
            return True
        return False

    def admin_key(self) -> str | None:
        """The token that allows everything."""
        return admin_key.read(self._directory.path)

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def check(self) -> list[str]:
        """Restart each process that ended, and return lines that say so. To be called a few times a second."""
        news = self._end_those_that_hang() + self._news()
        self._supervisor.check()
        return news + self._news()

    def _end_those_that_hang(self) -> list[str]:
        """End each process of ours, and Valkey, that does not answer. A mere suspicion does not end PostgreSQL."""
        ended: list[str] = []
        for name, asked in self._checkups.items():
            if not self._alive[name]:
                asked.begin()
            elif asked.failing >= self.settings.silence_seconds:
                asked.begin()
                ended.append(f"{name} does not answer any more; `up` ends it")
                self._supervisor.end(name)
        return ended

    def _news(self) -> list[str]:
        news: list[str] = []
        for status in self._supervisor.status():
            if status.alive is self._alive.get(status.name, True):
                continue
            self._alive[status.name] = status.alive
            if status.alive:
                news.append(f"{status.name} runs again")
            else:
                ended = f"{status.name} ended with exit code {status.exit_code}"
                news.append(f"{ended}; `up` starts it again. The reason is in {self.log_of(status.name)}")
        return news

    def stop(self) -> None:
        """Stop everything that runs."""
        for asked in self._checkups.values():
            asked.stop()
        self._checkups.clear()
        self._supervisor.stop()


def _guarded(settings: Settings) -> Settings:
    """The settings of our own processes. Commands get addresses without more than a client of any version knows."""
    return msgspec.structs.replace(
        settings,
        database_url=f"{settings.database_url}?{ONLY_SCRAM}",
        owner_url=f"{settings.owner_url}?{ONLY_SCRAM}",
    )
