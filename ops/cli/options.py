"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

from app import log
from app import settings as app_settings
from app.settings import Settings

data = click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Work with the stack that `mentiongraph up` (or demo) runs over DIR, not with what MENTIONGRAPH_… say.",
)
as_json = click.option("--json", "json", is_flag=True, help="Print JSON, for scripts.")


def settings(data: Path | None) -> Settings:
    """The settings of a command, and logging as one wants it: errors, to standard error."""
    if data is None:
        chosen = app_settings.load()
    else:
        from ops.directory import running  # noqa: PLC0415 (brings the embedded servers along, which few commands need)

        chosen = running(data)
    log.configure(app_settings.load({"MENTIONGRAPH_LOG_LEVEL": "error"}))
    return chosen
