"""Options that several commands have."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

from app import log
from app import settings as app_settings
from app.settings import Settings

data = click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Work with the stack that `mentiongraph up` (or demo) runs over DIR, not with what MENTIONGRAPH_… say. "
    "Default: the one over .mentiongraph in the current directory, if it runs and no MENTIONGRAPH_… says otherwise.",
)
as_json = click.option("--json", "json", is_flag=True, help="Print JSON, for scripts.")


ADDRESSES = ("DATABASE_URL", "REDIS_URL", "HOST", "PORT")


def settings(data: Path | None, *, nearby: bool = False) -> Settings:
    """The settings of a command, and logging as one wants it: errors, to standard error.

    `nearby`: without `data`, take the stack that runs over the current directory's data, unless the environment names
    servers.
    """
    chosen = _named(data) if data is not None else (_nearby() if nearby else None) or app_settings.load()
    log.configure(app_settings.load({"MENTIONGRAPH_LOG_LEVEL": "error"}))
    return chosen


def _named(data: Path) -> Settings:
    from ops.directory import running  # noqa: PLC0415 (brings the embedded servers along, which few commands need)

    return running(data)


def _nearby() -> Settings | None:
    if any(app_settings.PREFIX + name in os.environ for name in ADDRESSES) or not Path(".mentiongraph").is_dir():
        return None
    from ops import directory  # noqa: PLC0415 (as above)

    with contextlib.suppress(directory.StackNotRunning):
        return directory.running(directory.DEFAULT)
    return None
