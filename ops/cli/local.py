"""Commands that run everything on this machine: up, demo."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import click
import msgspec
from rich.text import Text

from app import settings as app_settings
from app.control import keys
from app.settings import FILE_SUFFIX, PREFIX, Settings
from ops import admin_key, processes
from ops.cli import options
from ops.cli.console import err, facts, out
from ops.directory import DEFAULT, DEMO, DataDirectory, choose_port
from ops.stack import Stack
from ops.unprivileged import inherited, step_down

CHECK_SECONDS = 0.2
INTERRUPTED = 130
_ALL_ADDRESSES = frozenset({"0.0.0.0", "::"})  # noqa: S104 (no server binds to these here)
DROP = "Drop a file of posts on the page: it shows how the file is read, and who mentions whom."
MOST_WORKERS = 4
"""By default. The workers share the machine with PostgreSQL, for which they wait most of the time."""

_data = partial(click.option, "--data", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
_port = click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port of the API. Default: MENTIONGRAPH_PORT, else the port of the last run, else a free one from 8000.",
)
_workers = click.option("--workers", metavar="N", type=click.IntRange(1, 64), help="Number of worker processes.")


class AskedToStop(BaseException):
    """Ctrl-C, SIGTERM, or the terminal went away. No Exception, so that nothing on the way takes it for a failure."""


@contextmanager
def _stopped_by_signals() -> Generator[None]:
    """The first signal raises AskedToStop. Later ones change nothing, since the stop is under way."""

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (a signal handler's signature)
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise AskedToStop

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else nohup started us
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _step(name: str, detail: str) -> Generator[None]:
    """Show a spinner during a step, then one line with the seconds that the step took."""
    began = time.monotonic()
    with err.status(Text(f"{name}  {detail}")) if err.is_terminal else contextlib.nullcontext():
        yield
    took = time.monotonic() - began
    err.print(Text.assemble(("✓ ", "green"), (f"{name:<11}", "bold"), f"{detail}", (f"  {took:.1f} s", "dim")))


def _run(
    directory: DataDirectory, settings: Settings, listening: socket.socket | None, then: Callable[[Stack], None]
) -> None:
    """Start the stack and do `then`. Always stop and release the directory. Raises Exit(130) after an interrupt."""
    with ExitStack() as cleaning:
        cleaning.enter_context(_stopped_by_signals())
        cleaning.callback(directory.release)
        stack = Stack(directory, settings, listening)
        cleaning.callback(_stop, stack)
        try:
            stack.start(_step)
            for line in stack.news:
                err.print(line, style="yellow")
            then(stack)
        except AskedToStop:
            raise click.exceptions.Exit(INTERRUPTED) from None


def _stop(stack: Stack) -> None:
    began = time.monotonic()
    with contextlib.suppress(OSError):  # the terminal may be gone
        err.print("\nStopping …" if err.is_terminal else "Stopping …")
    stack.stop()
    with contextlib.suppress(OSError):
        err.print(f"Stopped in {time.monotonic() - began:.1f} s.")


def _serve_until_stopped(stack: Stack) -> None:
    """Keep everything running until a signal comes. That is the usual end."""
    with contextlib.suppress(AskedToStop):
        while True:
            for line in stack.check():
                err.print(Text(f"! {line}", style="yellow"))
            time.sleep(CHECK_SECONDS)


def _private(data: Path, port: int | None) -> Settings:
    """The settings, once this process has no more rights than it needs, and writes for its account alone."""
    settings = options.settings(None)
    for line in step_down(data.absolute(), settings, port):
        err.print(line, style="yellow")
    os.umask(0o077)
    return settings


def _wanted(
    directory: DataDirectory, settings: Settings, port: int | None, workers: int | None
) -> tuple[Settings, socket.socket | None]:
    """The settings of the stack, and the API's socket if root opened one."""
    for line in directory.news:
        err.print(line, style="yellow")
    for name in ("DATABASE_URL", "REDIS_URL"):
        if _is_set(name):
            err.print(f"{PREFIX}{name} has no effect here: this command starts its own servers.", style="yellow")
    settings = processes.with_certificate(settings)
    _warn_of_plain_http(settings)
    listening = inherited()
    chosen = _port_of_api(directory, settings, port, listening.getsockname()[1] if listening else 0)
    default = settings.worker_processes
    if not _is_set("WORKER_PROCESSES"):
        default = min(MOST_WORKERS, default)
    return msgspec.structs.replace(settings, port=chosen, worker_processes=workers or default), listening


def _port_of_api(directory: DataDirectory, settings: Settings, asked: int | None, listening: int = 0) -> int:
    """The port that was asked for, or else the one that this directory had, or else a free one near the default."""
    kept = directory.kept_ports().api
    if _is_set("PORT") or not kept:
        wanted, whose = asked or settings.port, ""
    else:
        wanted, whose = asked or kept, ", which the API had in this directory"
    patience = directory.port_patience
    chosen = listening or choose_port(settings.host, wanted, insist=asked is not None, patience=patience)
    if wanted not in {0, chosen}:
        moved = f"Another program listens on port {wanted}{whose}. The API now has port {chosen}."
        err.print(moved, style="yellow")
    directory.keep_ports(api=chosen)
    return chosen


def _is_set(name: str) -> bool:
    """Whether the environment has this setting."""
    return not {PREFIX + name, PREFIX + name + FILE_SUFFIX}.isdisjoint(os.environ)


def _addresses(stack: Stack, data: Path) -> dict[str, str | Text]:
    """The addresses and files that a person wants to know."""
    url = processes.url_of_api(stack.settings)
    with_password = app_settings.environment(stack.settings)["MENTIONGRAPH_DATABASE_URL"]
    head, _, tail = with_password.partition("@")
    return {
        "page": Text(f"{url}/", style="bold cyan"),
        "API": url,
        "reached by": _reached_by(stack.settings),
        "documentation": f"{url}/doc",
        "database": f"{head.rpartition(':')[0]}@{tail}",
        "its password": f"in {_short(data / 'mentiongraph.password')}",
        "key": f"in {_short(data / admin_key.FILE)}"
        + ("; every request needs one" if keys.needed(stack.settings) else "; requests from this machine need none"),
        "logs": _short(stack.logs),
        "settings": f"in {_short(data / 'settings.env')}; other commands use them with --data {_short(data)}",
    }


def _reached_by(settings: Settings) -> str:
    """Who else reaches the API. Empty: this machine alone does."""
    if keys.is_loopback(settings.host):
        return ""
    where = "every network of this machine" if settings.host in _ALL_ADDRESSES else "that address"
    return f"other machines too, on port {settings.port}: the API listens on {settings.host}, {where}"


def _warn_of_plain_http(settings: Settings) -> None:
    """Say that others may read what goes to and fro, unless a proxy in front speaks TLS."""
    place = settings.published_on or settings.host
    if settings.tls_certificate or settings.trusted_proxies or keys.is_loopback(place):
        return
    err.print(
        f"Other machines reach the API on {place} over plain HTTP, so others may read keys and posts on their way. Set "
        f"{PREFIX}TLS_CERTIFICATE, or {PREFIX}TRUSTED_PROXIES if a proxy in front speaks TLS.",
        style="yellow",
    )


def _short(path: Path) -> str:
    """Relative to here where that is shorter to read."""
    with contextlib.suppress(ValueError):
        return str(path.absolute().relative_to(Path.cwd()))
    return str(path)


@click.command()
@_data(
    default=DEFAULT,
    envvar=options.DATA,
    help=f"Directory that holds all data. Default: {options.DATA}, or {DEFAULT} in the current directory.",
)
@_port
@_workers
def up(data: Path, port: int | None, workers: int | None) -> None:
    """Run everything on this machine: PostgreSQL, a Redis-compatible server, API, workers and scheduler.

    The command runs until Ctrl-C or SIGTERM, and then stops everything in order. The data in DIR stays. DIR serves one
    `up` at a time, and keeps the ports of its servers and its API from one run to the next. `up` restarts every process
    that ends or stops answering. Logs are in DIR/logs, at most 64 MiB for each process. All settings apply but the
    servers' addresses.

    DIR belongs to the account that runs the command, and other users can't read it. If root runs the command,
    everything runs as the account mentiongraph, postgres or nobody, the first that exists, and DIR is that account's.

    Exits with 0 after Ctrl-C or SIGTERM, and with 6 if a process does not start or if DIR is in use.

    \b
    Examples:
      mentiongraph up
      mentiongraph up --data /srv/mentions --port 9000 --workers 8
    Meanwhile, in another terminal:
      mentiongraph upload posts.csv
      mentiongraph audit --data .mentiongraph
    """
    settings = _private(data, port)
    directory = DataDirectory(data)
    directory.take()
    try:
        settings, listening = _wanted(directory, settings, port, workers)
    except BaseException:
        directory.release()
        raise

    def then(stack: Stack) -> None:
        out.print()
        out.print(facts(_addresses(stack, data)))
        out.print()
        out.print(DROP)
        err.print("Everything runs. Ctrl-C stops everything; the data stays.", style="green")
        _serve_until_stopped(stack)

    _run(directory, settings, listening, then)


@click.command()
@_data(default=DEMO, help=f"Directory that holds all data. Default: {DEMO} in the current directory.")
@click.option("--exit", "leave", is_flag=True, help="Stop as soon as the graph was shown.")
@_port
@_workers
def demo(data: Path, port: int | None, workers: int | None, *, leave: bool) -> None:
    """Start everything, upload a sample of a few thousand posts, and show the resulting graph.

    The command runs the same servers and processes as `mentiongraph up`. It empties DIR at each start. The stack runs
    until Ctrl-C, or with --exit until the graph was shown. Exits with 1 if the sample could not be applied.

    \b
    Examples:
      mentiongraph demo
      mentiongraph demo --exit
    """
    from ops.demo.show import show  # noqa: PLC0415 (brings the HTTP client along, which `up` does without)

    settings = _private(data, port)
    directory = DataDirectory(data)
    directory.take()
    try:
        directory.make_fresh_demo()
        settings, listening = _wanted(directory, settings, port, workers)
    except BaseException:
        directory.release()
        raise

    def then(stack: Stack) -> None:
        show(stack, _addresses(stack, data), _short(data / admin_key.FILE), stays=not leave)
        if not leave:
            out.print()
            out.print(DROP)
            err.print("Everything runs, for you to try. Ctrl-C stops everything.", style="green")
            _serve_until_stopped(stack)

    _run(directory, settings, listening, then)
