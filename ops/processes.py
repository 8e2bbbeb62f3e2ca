"""Our own processes as commands: what `mentiongraph serve`, `worker` and `scheduler` become, and what `up` starts."""

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
"""The directory in which `app`, `workers`, `sql` and `ops` are, in a checkout as in an installation."""

# -P: the directory we are started in may have an `app` of its own; it is not where we look.
_PYTHON = (sys.executable, "-P")
# Uvicorn is told where our packages are; to these we say it ourselves.
_SCHEDULER = "import sys; sys.path.insert(0, sys.argv[1]); from workers.scheduler import main; main()"
_DRAMATIQ = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ops.dramatiq_main import main; main()"

# One thread in the native libraries of each process: the processes are as many as there are processors to use.
_ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Command(NamedTuple):
    """What to execute, and its whole environment."""

    argv: list[str]
    env: dict[str, str]

    def replace_this_process(self) -> None:
        """Become it: same process id, same signals. Does not return."""
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(self.argv[0], self.argv, self.env)  # noqa: S606 (no shell: an argument list)


def api(settings: Settings, *, patience: int = 30) -> Command:
    """The API. `patience`: seconds that requests under way have when it is told to stop."""
    listen = ("--host", settings.host, "--port", str(settings.port), "--loop", "uvloop", "--http", "httptools")
    silent = ("--no-access-log", "--no-server-header", "--log-config", str(ROOT / "ops" / "uvicorn.json"))
    stop = ("--timeout-graceful-shutdown", str(patience))
    application = ("app.http.asgi:from_environment", "--factory", "--lifespan", "on", "--app-dir", str(ROOT))
    return Command([*_PYTHON, "-m", "uvicorn", *application, *listen, *silent, *stop], _environment(settings))


def worker(settings: Settings, *, queues: Sequence[str] = (), patience: int = 30) -> Command:
    """Worker processes under one parent. `queues` empty: all. `patience`: seconds that work under way has at a stop;
    what is cut off then is done again by another worker once its claim has expired."""
    processes, threads = settings.worker_processes, settings.worker_threads
    size = ("--processes", str(processes), "--threads", str(threads))
    stop = ("--worker-shutdown-timeout", str(patience * 1000))
    listen = ("--queues", *queues) if queues else ()
    # A process takes no more messages than it has threads, so that those left over go to one with nothing to do. After
    # a fail-over of Redis it asks again in a second, not in three.
    defaults = {"dramatiq_queue_prefetch": str(threads), "dramatiq_restart_delay": "1000"}
    defaults |= _ONE_THREAD if processes > 1 else {}
    return Command(
        [*_PYTHON, "-c", _DRAMATIQ, str(ROOT), "workers.main", "--path", str(ROOT), *size, *stop, *listen],
        defaults | _environment(settings),
    )


def scheduler(settings: Settings) -> Command:
    """The scheduler: tells workers to sweep, to decay and to purge. One is enough; with two, none is missed."""
    return Command([*_PYTHON, "-c", _SCHEDULER, str(ROOT)], _environment(settings))


def _environment(settings: Settings) -> dict[str, str]:
    # What stood in files is among the settings now.
    given = {name: value for name, value in os.environ.items() if not _names_a_file(name)}
    return {**given, **app_settings.environment(settings)}


def _names_a_file(variable: str) -> bool:
    return variable.startswith(app_settings.PREFIX) and variable.endswith(app_settings.FILE_SUFFIX)


def url_of_api(settings: Settings) -> str:
    """The API's URL as somebody on this machine has it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 (not bound to here)
    return f"http://[{host}]:{settings.port}" if ":" in host and host[0] != "[" else f"http://{host}:{settings.port}"


def sized(settings: Settings, *, processes: int | None, threads: int | None) -> Settings:
    """The settings with other numbers of worker processes and threads, where one is given."""
    return msgspec.structs.replace(
        settings,
        worker_processes=processes or settings.worker_processes,
        worker_threads=threads or settings.worker_threads,
    )
