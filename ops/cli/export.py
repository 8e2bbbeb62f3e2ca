"""The command `export`: the graph as a file for another tool, over the HTTP API."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

import click
import httpx

from app.errors import BadRequest
from app.reads.exports.emptiness import REASONS, Empty
from ops.cli import options
from ops.cli.client import ApiAway, ApiProblem, Client, Patience, client_of
from ops.cli.console import data_out, number, say, size
from ops.cli.progress import bar

COUNT_HEADER = "Mentiongraph-Count"
WARNING_HEADER = "Mentiongraph-Warning"
"""As app.http.routes.exports has them."""
CHUNK = 256 << 10
TAIL = 256
"""Bytes at a file's end that are looked at."""


class Kind(NamedTuple):
    """A kind of file: its name at the API, and what shows that it is whole."""

    name: str
    records: Callable[[], Records] | None = None
    end: re.Pattern[bytes] | None = None
    noun: str = "edges"


class Records:
    """Counts the records of a file as it comes in: lines that end outside quotes, where there are quotes."""

    def __init__(self, *, header: bool, quotes: bool) -> None:
        self.count = -1 if header else 0
        self._quotes = quotes
        self._quoted = False

    def see(self, chunk: bytes) -> None:
        if not self._quotes:
            self.count += chunk.count(b"\n")
            return
        # A quote inside quotes is doubled, so every second part is outside.
        for part in chunk.split(b'"'):
            self.count += 0 if self._quoted else part.count(b"\n")
            self._quoted = not self._quoted
        self._quoted = not self._quoted


def _csv() -> Records:
    return Records(header=True, quotes=True)


def _lines() -> Records:
    return Records(header=False, quotes=False)


_COMMENT = re.compile(rb"<!-- complete: \d+ users, (\d+) edges -->\n</\w+>\n$")
KINDS = {
    "csv": Kind("edges.csv", _csv),
    "gephi": Kind("gephi.csv", _csv),
    "nodes": Kind("nodes.csv", _csv, noun="users"),
    "gexf": Kind("graph.gexf", end=_COMMENT),
    "graphml": Kind("graph.graphml", end=_COMMENT),
    "parquet": Kind("edges.parquet", end=re.compile(rb"PAR1$")),
    "jsonl": Kind("edges.jsonl", _lines),
    "neo4j": Kind("neo4j.zip", end=re.compile(rb"PK\x05\x06.{18}$", re.DOTALL)),
}
_ENDS = {
    ".csv": "csv",
    ".gexf": "gexf",
    ".graphml": "graphml",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".zip": "neo4j",
}


class Instant(click.ParamType[str]):
    name = "INSTANT"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """ISO 8601 with an offset, as the API wants it."""
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no instant such as 2026-01-15 or 2026-01-15T12:00:00Z.", param, ctx)
        return (instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)).isoformat()


@click.command()
@options.api
@options.data
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(KINDS)),
    help="csv, gephi (edges for Gephi), nodes (users for Gephi), gexf, graphml, parquet, jsonl, or neo4j (a zip). "
    "Default: as the name of the output ends, or csv. A name with another ending needs --format.",
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write; `-` is standard output. Default: edges.csv, graph.gexf, … in the current directory.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option("--min-weight", type=click.FloatRange(min=0), help="Export only edges of this effective weight or more.")
@click.option("--since", type=Instant(), help="Export only edges whose last mention is not earlier.")
@click.option(
    "--until",
    type=Instant(),
    help="Export only edges whose first mention is earlier. A date is its first instant, so 2026-02-01 ends January.",
)
@click.option(
    "--user", metavar="HANDLE", multiple=True, help="Export only the surroundings of this user. May be repeated."
)
@click.option(
    "--depth",
    type=click.IntRange(0, 2),
    help="Reach of the surroundings. 0: the users alone. 1 (default): also users that mention them or are mentioned. "
    "2: one step further.",
)
@click.option("--touching", is_flag=True, help="Include edges with only one end in the surroundings.")
@click.option(
    "--archived/--no-archived",
    default=None,
    help="Include archived edges, or leave them out. Default: include those archived later than --as-of, and all if "
    "every edge is archived.",
)
@click.option("--self-mentions", is_flag=True, help="Include users' mentions of themselves.")
@click.option(
    "--as-of", type=Instant(), help="Instant of the effective weights, not before the last mention. Default: now."
)
@click.option("--no-guard", is_flag=True, help="CSV, GEXF, GraphML: write handles that look like formulas unchanged.")
@click.option(
    "--digits",
    type=click.IntRange(1, 17),
    help="CSV, GEXF, GraphML: significant digits of weights; 17 means all. Default: 4, in GraphML all.",
)
@click.option("--bom", is_flag=True, help="CSV: begin with a byte order mark, which Excel wants.")
@click.option(
    "--delimiter",
    type=click.Choice([",", ";", "|", "tab"]),
    help="CSV: character between two fields. Default: a comma. Excel in German, French, … wants a semicolon.",
)
@click.option("--decimal", type=click.Choice([".", ","]), help="CSV: character before the fraction of a weight.")
def export(
    api: str | None,
    data: Path | None,
    kind: str | None,
    output: Path | None,
    user: tuple[str, ...],
    *,
    force: bool,
    no_guard: bool,
    **filters: str | float | bool | None,
) -> None:
    """Write the graph, or a part of it, to a file for another tool.

    The file is one snapshot, taken while work goes on. It gets its name only once it is complete. The command compares
    what arrived with the number of records that the API announced. If there are none, the command says why on standard
    error, and exits with 0: the file holds what the filters ask for. `mentiongraph user` shows a user's edges.

    \b
    Examples:
      mentiongraph export --format gexf                       graph.gexf, for Gephi
      mentiongraph export -o mentions.graphml --min-weight 0.5
      mentiongraph export -o ada.gexf --user ada --depth 2
      mentiongraph export --format parquet --since 2026-01-01 --until 2026-02-01 --archived
      mentiongraph export -o for-excel.csv --bom --delimiter ";" --decimal ,
      mentiongraph export --format jsonl -o - | jq -r .source | sort | uniq -c
    """
    chosen = KINDS[kind or _kind_of(output)]
    if output is not None and str(output) == "-":
        if sys.stdout.isatty() and not chosen.records:
            raise BadRequest("a terminal cannot show this format: name a file with --output, or use a pipe.")
        target = None
    else:
        target = output or Path(chosen.name)
        if target.exists() and not force:
            raise BadRequest(f"{target} exists already: name another file, or give --force.")
    params = query(filters) + [("user", handle) for handle in user]
    params += [("guard", "false")] if no_guard and chosen.name.endswith((".csv", ".gexf", ".graphml")) else []
    with client_of(api, data) as client:
        total, written, why = _download(client, chosen, params, target)
    say(f"{target or 'standard output'}: {number(total)} {chosen.noun}, {number(written)} bytes", err=not target)
    if not total:
        _say_why_empty(target, chosen, why)


def _download(
    client: Client, chosen: Kind, params: Sequence[tuple[str, str]], target: Path | None
) -> tuple[int, int, str]:
    """Write the file. Returns the number of records, the number of bytes, and why there is no record."""
    patience = Patience()
    while True:
        try:
            with client.download(f"/export/{chosen.name}", params) as answer, whole_file(target) as file:
                return *_receive(answer, chosen, file), answer.headers.get(WARNING_HEADER, "")
        except ApiProblem as problem:  # before the first byte
            if not patience.waited(problem):
                raise


def _kind_of(output: Path | None) -> str:
    """The kind of file that the output's name ends in. Raises BadRequest for an ending that no kind has."""
    if output is None or not output.suffix or str(output) == "-":
        return "csv"
    kind = _ENDS.get(output.suffix.lower())
    if kind is None:
        raise BadRequest(
            f"this command does not write files that end in {output.suffix}. It writes {', '.join(_ENDS)}; or choose "
            f"what the file holds with --format: {', '.join(KINDS)}."
        )
    return kind


def _say_why_empty(target: Path | None, kind: Kind, why: str) -> None:
    """Warn of a file without records. `why` is what the API's header says, of which the command line has its words."""
    code, _, said = why.partition(": ")
    if code in set(Empty):
        said = f"{REASONS[Empty(code)].said} {REASONS[Empty(code)].option}"
    where = target or "standard output"
    say(f"{where} has no {kind.noun}. {said}".rstrip(), err=True, label="warning:", colour="yellow")


_SWITCHES = ("archived",)
"""Options whose `no` is another answer than their default."""


def query(chosen: dict[str, str | float | bool | None]) -> list[tuple[str, str]]:
    """Returns the options that were given, as parameters of the API."""
    given = {name: value for name, value in chosen.items() if value is not None}
    return [
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in given.items()
        if value is not False or name in _SWITCHES
    ]


@contextmanager
def whole_file(target: Path | None) -> Generator[BinaryIO]:
    """A file that gets its name when the block ends well."""
    if target is None:
        out = data_out()
        yield out
        out.flush()
        return
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _receive(answer: httpx.Response, kind: Kind, file: BinaryIO) -> tuple[int, int]:
    """How many records and bytes came. Raises ApiAway if not all of them did."""
    total = int(answer.headers[COUNT_HEADER])
    records = kind.records() if kind.records else None
    written, tail = 0, b""
    with bar(kind.name, share=records is not None) as progress:
        for chunk in chunks(answer):
            file.write(chunk)
            written += len(chunk)
            tail = (tail + chunk)[-TAIL:]
            if records:
                records.see(chunk)
                progress(completed=records.count, total=total, done=size(written))
            else:
                progress(done=size(written))
    _check(kind, total, records, tail)
    return total, written


def chunks(answer: httpx.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_bytes(CHUNK)
    except httpx.TransportError as error:
        raise ApiAway(f"{answer.url} was broken off ({error}); nothing is kept of it. Try again.") from error


def _check(kind: Kind, total: int, records: Records | None, tail: bytes) -> None:
    if records and records.count != total:
        raise ApiAway(f"{number(total)} {kind.noun} were announced, {number(records.count)} came; nothing is kept.")
    if kind.end:
        found = kind.end.search(tail)
        if found is None or (kind.end.groups and int(found[1]) != total):
            raise ApiAway(f"{kind.name} ends in the wrong way: something on the way cut it off; nothing is kept.")
