"""The command that shows the service at work, live: top. It reads the metrics that Prometheus would read."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from ops.cli import options
from ops.cli.client import ApiAway, ApiProblem, client_of
from ops.cli.console import number, out, plain, print_json, size, table
from ops.cli.looks import Look, Row, rows_of

_AWAY = 500


@click.command()
@options.api
@options.data
@click.option(
    "--every",
    type=click.FloatRange(min=1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two looks, of which rates are made.",
)
@click.option("--once", is_flag=True, help="Show the rates of one such time, and end.")
@options.as_json
def top(api: str | None, data: Path | None, *, every: float, once: bool, json: bool) -> None:
    """Watch the service at work: what comes in, what waits and since when, who works, and what takes the time.

    A line for each graph, or for the graph that --graph names. Rates are those since the look before. `oldest` is the
    age of the oldest upload that is not applied yet. `slowest step` is the step of receiving, counting and merging that
    took the longest on average, its waits included. Ctrl-C ends the command.

    The numbers are those of /metrics, which needs a key with the scope metrics where keys are on. In a pipe, each look
    is a table of its own; with --json, it is a line of JSON.

    \b
    Examples:
      mentiongraph top
      mentiongraph top --once
      mentiongraph --graph team top --every 10
      mentiongraph top --json | jq -c '.graphs[] | [.graph, .rows_a_second, .oldest_seconds]'
    """
    with client_of(api, data) as client:
        before = Look.of(client.metrics())
        live = None if json or once or not out.is_terminal else Live(console=out, screen=True, auto_refresh=False)
        try:
            if live is not None:
                live.start()
                live.update(_shown(before, before), refresh=True)
            while True:
                time.sleep(every)
                try:
                    now = Look.of(client.metrics())
                except (ApiAway, ApiProblem) as error:
                    if once or live is None or (isinstance(error, ApiProblem) and error.problem().status < _AWAY):
                        raise
                    live.update(Text(plain(str(error))), refresh=True)
                    continue
                if live is not None:
                    live.update(_shown(before, now), refresh=True)
                elif json:
                    print_json({"at": now.at, **now.service(), "graphs": rows_of(before, now, _chosen())})
                else:
                    out.print(_shown(before, now))
                if once:
                    return
                before = now
        finally:
            if live is not None:
                live.stop()


def _chosen() -> str | None:
    """The graph that --graph names; None: all graphs."""
    chosen = options.graph()
    return None if chosen == "default" else chosen


def _shown(before: Look, now: Look) -> Group:
    shown = table(
        "graph", "rows/s", "mentions/s", "edges/s", "uploads", "batches", "backlog", "oldest", "failed", "slowest step",
        right=("rows/s", "mentions/s", "edges/s", "uploads", "batches", "backlog", "oldest", "failed"),
    )  # fmt: skip
    for row in rows_of(before, now, _chosen()):
        shown.add_row(*_cells(row))
    return Group(Text(_summary(before, now)), shown)


def _cells(row: Row) -> list[str | Text]:
    if not row.up:
        return [plain(row.graph), Text("does not answer", "bold red"), *[""] * 8]
    step = "–" if row.slowest_step is None else f"{row.slowest_step} {_seconds(row.slowest_step_seconds or 0)}"
    return [
        plain(row.graph),
        *(number(round(each)) for each in (row.rows_a_second, row.mentions_a_second, row.edges_a_second)),
        number(row.uploads_waiting),
        number(row.batches_waiting),
        size(row.backlog_bytes),
        _seconds(row.oldest_seconds),
        number(row.batches_failed),
        step,
    ]


def _summary(before: Look, now: Look) -> str:
    service = now.service()
    requests, errors, seconds = now.requests_since(before)
    span = max(now.at - before.at, 1e-9)
    told = [
        f"workers {service['workers']}" + _unwell(service["workers_unhealthy"]),
        f"schedulers {service['schedulers']}" + _unwell(service["schedulers_unhealthy"]),
        f"Redis {'answers' if service['redis_up'] else 'does not answer'}",
        f"{requests / span:.1f} requests/s",
        f"{1000 * seconds / requests:.0f} ms each" if requests else "",
        f"{errors} of them 5xx" if errors else "",
    ]
    return time.strftime("%H:%M:%S  ", time.localtime(now.at)) + " · ".join(each for each in told if each)


def _unwell(number: int) -> str:
    return f" (unhealthy: {number})" if number else ""


_MINUTE, _HOUR = 60, 3600


def _seconds(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
