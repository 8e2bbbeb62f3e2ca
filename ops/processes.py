"""This module builds the commands that run the API, the workers and the scheduler.

`mentiongraph serve`, `worker` and `scheduler` become these processes, and `up` starts them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from app import settings as app_settings
from app.settings import Settings

ROOT = Path(__file__).parents[1]
"""The directory with `app`, `workers`, `sql` and `ops`, in a checkout and in an installation."""

# -P keeps Python from importing from the current directory, which may have an `app` of its own.
_PYTHON = (sys.executable, "-P")
# These commands put the directory of our packages on the path themselves.
_API = "import sys; sys.path.insert(0, sys.argv[1]); from app.http.server import main; main(*map(int, sys.argv[2:]))"
_SCHEDULER = "import sys; sys.path.insert(0, sys.argv[1]); from workers.scheduler import main; main()"
_DRAMATIQ = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ops.dramatiq_main import main; main()"

# The native libraries of each process get one thread, because there is one process for each processor to use.
_ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


_CLIENTS_KEY = app_settings.PREFIX + "KEY"
"""What a client sends to an API is no business of the servers that it starts."""


class Command(NamedTuple):
    """A command to execute, and its whole environment."""

    argv: list[str]
    env: dict[str, str]

    def replace_this_process(self) -> None:
        """Replace this process by the command. Process id and signals stay the same. The method does not return.

        What the command writes belongs to its user alone.
        """
        os.umask(0o077)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(self.argv[0], self.argv, self.env)  # noqa: S606 (an argument list needs no shell)


def api(settings: Settings, *, patience: int = 30, listening: int | None = None) -> Command:
    """Returns the command of the API. At a stop, requests under way get `patience` seconds to finish.

    `listening` is the open file of a socket that listens already.
    """
    shared = () if listening is None else (str(listening),)
    return Command([*_PYTHON, "-c", _API, str(ROOT), str(patience), *shared], _environment(settings))


def worker(settings: Settings, *, queues: Sequence[str] = (), patience: int = 30) -> Command:
    """Returns the command of worker processes under one parent. Without `queues`, the workers serve all queues.

    At a stop, work under way gets `patience` seconds to finish. Another worker repeats unfinished work once its claim
    has expired.
    """
    processes, threads = settings.worker_processes, settings.worker_threads
    size = ("--processes", str(processes), "--threads", str(threads))
    stop = ("--worker-shutdown-timeout", str(patience * 1000))
    soon = ("soon",) if "bulk" in queues else ()  # bulk work of graphs in which little waits
    listen = ("--queues", *queues, *soon) if queues else ()
    # A process takes no more messages than it has threads, so that an idle process gets the other messages. After a
    # fail-over of Redis a process asks again after one second, not after three.
    defaults = {"dramatiq_queue_prefetch": str(threads), "dramatiq_restart_delay": "1000"}
    defaults |= _ONE_THREAD if processes > 1 else {}
    options = ("--skip-logging", "--path", str(ROOT), *size, *stop, *listen)
    return Command(
        [*_PYTHON, "-c", _DRAMATIQ, str(ROOT), "workers.main", *options],
        defaults | _environment(_without_owner(settings)),
    )


def scheduler(settings: Settings) -> Command:
    """Returns the command of the scheduler, which tells workers to sweep, to decay and to purge.

    One scheduler is enough. With two schedulers, no task is missed when one scheduler fails.
    """
    return Command([*_PYTHON, "-c", _SCHEDULER, str(ROOT)], _environment(_without_owner(settings)))


def _without_owner(settings: Settings) -> Settings:
    """Returns the settings without the role that creates and drops databases: no work needs it."""
    return msgspec.structs.replace(settings, owner_url="")


def _environment(settings: Settings) -> dict[str, str]:
    # Settings that came from files are values now. So the variables that name files are dropped.
    given = {name: value for name, value in os.environ.items() if not _names_a_file(name) and name != _CLIENTS_KEY}
    return {**given, **app_settings.environment(settings)}


def _names_a_file(variable: str) -> bool:
    return variable.startswith(app_settings.PREFIX) and variable.endswith(app_settings.FILE_SUFFIX)


def url_of_api(settings: Settings) -> str:
    """Returns the API's URL for clients on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 (no server binds to these here)
    host = f"[{host}]" if ":" in host and host[0] != "[" else host
    return f"{'https' if settings.tls_certificate else 'http'}://{host}:{settings.port}"


def with_certificate(settings: Settings) -> Settings:
    """Returns the settings of an API whose certificate was checked, with whole paths for processes in other
    directories. Raises BadSetting."""
    paths = {name: getattr(settings, name) for name in ("tls_certificate", "tls_key", "ca_file")}
    whole = {name: str(Path(path).absolute()) for name, path in paths.items() if path and "\n" not in path}
    settings = msgspec.structs.replace(settings, **whole)
    if settings.tls_certificate or settings.tls_key:
        from app.http import tls  # noqa: PLC0415 (brings the HTTP server along, which most commands do without)
        from app.store.postgres import clock  # noqa: PLC0415 (as above)

        tls.read(settings, clock())
    return settings


def sized(settings: Settings, *, processes: int | None, threads: int | None) -> Settings:
    """Returns the settings, with other numbers of worker processes and threads if given."""
    return msgspec.structs.replace(
        settings,
        worker_processes=processes or settings.worker_processes,
        worker_threads=threads or settings.worker_threads,
    )
