"""APIs side by side: what `keyed.py` and `standby.py` have in common, from the command to the processes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from app.settings import Settings
from ops import processes
from ops.bench.service import UploadFailed, fresh, until
from ops.checkup import api_answers
from ops.embedded.children import Child
from ops.embedded.valkey import Valkey

PATIENCE = 300.0
"""Seconds for an API to answer, or an upload to be applied."""

Measure = Callable[[Path, argparse.Namespace], Sequence[str]]
"""Takes a directory for databases and files. Returns the lines of a table."""


def command(
    name: str, about: str | None, add_options: Callable[[argparse.ArgumentParser], None], measure: Measure
) -> int:
    """`python -m ops.bench.NAME`: print the table. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python -m ops.bench.{name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--directory", type=Path, help="where databases and files are, meanwhile (default: TMPDIR)")
    options = parser.parse_args()
    with fresh(options.directory) as directory:
        print("\n".join(measure(directory, options)))
    return 0


def valkey(stack: ExitStack, directory: Path) -> str:
    """Start Valkey for as long as the stack lasts. Returns its address."""
    server = Valkey(directory / "valkey", append_only=False)
    stack.callback(server.stop)
    server.start()
    return server.url


def start(stack: ExitStack, directory: Path, name: str, wanted: processes.Command) -> int:
    """Start a process for as long as the stack lasts. Returns its id."""
    child = Child(name, wanted.argv, env=wanted.env, log=directory / f"{name}.log", grace=3.0)
    stack.callback(child.stop)
    child.start()
    return child.pid


def api(stack: ExitStack, directory: Path, name: str, settings: Settings) -> int:
    """Start an API, and return its process id once it answers. Raises UploadFailed."""
    pid = start(stack, directory, name, processes.api(settings, patience=1))
    if not until(lambda: api_answers(settings)[0], PATIENCE):
        raise UploadFailed(f"the API {name} does not answer: see {directory / name}.log")
    return pid
