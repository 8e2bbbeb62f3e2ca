"""The command that lists the settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import msgspec
from rich.text import Text

from app import settings as app_settings
from app.settings import FILE_SUFFIX
from ops.cli import options
from ops.cli.console import out, print_json, table

_BINARY_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_KIBI = 1024
_ONE = {"processes": "process"}


class Setting(msgspec.Struct, frozen=True):
    """One setting with its value and where the value comes from: default, environment, file or stack."""

    group: str
    variable: str
    value: str
    unit: str
    source: str
    default: str
    wanted: str
    meaning: str


@click.command()
@options.stack
@options.as_json
def settings(data: Path | None, *, json: bool) -> None:
    """List every setting: its environment variable, its value and its meaning.

    A value that is not the default is shown with its source. Passwords are hidden. Each setting may also be in a file:
    MENTIONGRAPH_PORT_FILE=/run/port reads MENTIONGRAPH_PORT from /run/port. A duration is a number with d, h, m or s,
    such as 1d, 12h, 90m or 1h30m.

    With --data, the command lists the settings that other commands use with the same --data.

    Exits with 2 if a value cannot be used, or if a MENTIONGRAPH_… variable is no setting.

    \b
    Examples:
      mentiongraph settings
      mentiongraph settings --data .mentiongraph
      mentiongraph settings --json | jq -r '.[] | select(.source != "default") | .variable'
    """
    published = options.published(data) if data is not None else {}
    environ = options.environ(published)
    listed = _listed(environ, published)
    if json:
        app_settings.load(environ)
        print_json(listed)
        return
    for group in app_settings.Group:
        shown = table("variable", "value", "meaning", title=group)
        shown.columns[0].no_wrap = True
        for each in listed:
            if each.group == group:
                shown.add_row(each.variable, _in_words(each), each.meaning)
        out.print(shown)
    app_settings.load(environ)


def _listed(environ: Mapping[str, str], published: Mapping[str, str]) -> list[Setting]:
    found = app_settings.given(environ)
    made: list[Setting] = []
    for row in app_settings.describe():
        value, source = row.default, "default"
        if row.name in found and found[row.name].text != row.default:
            value, source = found[row.name].text, _source(found[row.name].variable, environ, published)
        shown = (app_settings.hidden(row, value), row.unit, source, row.default, row.wanted, row.meaning)
        made.append(Setting(row.group, row.variable, *shown))
    return made


def _source(variable: str, environ: Mapping[str, str], published: Mapping[str, str]) -> str:
    if variable.endswith(FILE_SUFFIX):
        return "file"
    return "stack" if environ[variable] == published.get(variable) else "environment"


def _in_words(each: Setting) -> Text:
    value = _with_unit(each.value, each.unit)
    if each.source == "default":
        return Text(value)
    source = {"environment": "from the environment", "file": "from a file", "stack": "from the stack"}[each.source]
    default = _with_unit(each.default, each.unit)
    return Text.assemble((value, "bold yellow"), f" ({source}; default: {default or 'none'})")


def _with_unit(value: str, unit: str) -> str:
    """The value as a person reads it: 8388608 bytes are 8 MiB."""
    if unit in {"", "duration", "weight"}:
        return value
    if unit == "bytes" and value.isdecimal():
        number, steps = int(value), 0
        while number >= _KIBI and number % _KIBI == 0 and steps < len(_BINARY_UNITS) - 1:
            number, steps = number // _KIBI, steps + 1
        if steps:
            return f"{value} bytes ({number} {_BINARY_UNITS[steps]})"
    return f"{value} {_ONE.get(unit, unit[:-1]) if value == '1' else unit}"
