"""The command that lists the settings."""

from __future__ import annotations

import os
import re

import click

from app import settings as app_settings
from ops.cli import options
from ops.cli.console import out, print_json, table

# In a URL, or in a conninfo string.
_PASSWORD = re.compile(r"(?<=:)(?<!^)[^/@:]*(?=@)|(?<=password=)('[^']*'|\S+)")


@click.command()
@options.as_json
def settings(*, json: bool) -> None:
    """List every setting: the environment variable, its value if it is set, the default, what it does.

    \b
    Examples:
      mentiongraph settings
      mentiongraph settings --json | jq -r '.[].variable'
    """
    rows = [
        {"variable": variable, "value": _shown(os.environ.get(variable)), "default": default, "meaning": meaning}
        for variable, default, meaning in app_settings.describe()
    ]
    if json:
        print_json(rows)
        return
    listed = table("variable", "default", "meaning")
    listed.columns[0].no_wrap = True
    for row in rows:
        default = str(row["default"]) if row["value"] is None else f"{row['default']}  (set: {row['value']})"
        listed.add_row(str(row["variable"]), default, str(row["meaning"]))
    out.print(listed)
    options.settings(None)


def _shown(value: str | None) -> str | None:
    """A value without the password in it."""
    return None if value is None else _PASSWORD.sub("***", value)
