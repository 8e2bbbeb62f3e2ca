"""The demo: upload the sample through HTTP, wait until it is applied, and show what came out."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
from rich.text import Text

import sql
from app.control import keys
from app.errors import MentiongraphError
from app.graph.half_life import in_seconds
from app.graph.parameters import read_parameters
from app.settings import Settings
from app.store import postgres
from ops import processes
from ops.cli import trust
from ops.cli.client import Client
from ops.cli.console import cut, err, facts, number, out, plain, size, table
from ops.cli.entries import Entry
from ops.cli.sending import sending
from ops.stack import Stack

SAMPLE = Path(__file__).with_name("sample.csv")
STRONGEST = 10
REJECTS = 8
ALL_REJECTS = 100
OTHER_COLUMNS = 6 + 22 + 10
"""Width of line number, code and gaps in the table of rejects."""
LONGEST_ROW = 60
"""Characters of a rejected row that are shown."""

LONGEST_REASON = 80
"""Characters of a line that says why a row was rejected."""

_STRONGEST = sql.query("ops/demo/strongest")


class DemoFailed(MentiongraphError):
    """The sample could not be applied."""

    code = "demo-failed"


class _Strong(msgspec.Struct, frozen=True):
    source: str
    target: str
    mention_count: int
    weight: float


class _Reject(msgspec.Struct, frozen=True):
    line: int
    code: str
    message: str
    raw: str


class _Rejects(msgspec.Struct, frozen=True):
    rejects: list[_Reject]


def show(stack: Stack, addresses: dict[str, str | Text], key_file: str, *, stays: bool) -> None:
    """Everything, in the order in which one wants to see it; what to try, where the stack stays. Raises DemoFailed.

    `key_file`: where the key of the stack is.
    """
    url = processes.url_of_api(stack.settings)
    with Client(url, stack.admin_key(), verify=trust.verified_by(url, stack.settings, own=True)) as client:
        entry = _upload(client)
        rejects = client.get(f"/uploads/{entry.id}/rejects", _Rejects, limit=ALL_REJECTS).rejects
    strongest = _strongest(stack)
    out.print(Text.assemble("\n", ("The sample\n", "bold")))
    out.print(_summary(entry))
    _print_strongest(strongest)
    _print_rejects(rejects, entry)
    out.print(Text("Where things are\n", style="bold"))
    out.print(facts(addresses))
    if stays:
        out.print(Text("\nTry\n", style="bold"))
        for path in _paths(entry, strongest):
            out.print(f"  {curl(stack.settings, key_file)} {url}{path}", soft_wrap=True)


def _upload(client: Client) -> Entry:
    with sending(SAMPLE.name) as progress, SAMPLE.open("rb") as stream:
        body = progress.sent(stream, SAMPLE.stat().st_size)
        sent = client.send(body, params={"filename": SAMPLE.name}, encoding=None)
        entry = client.follow(sent.entry.id, progress.applied)
    if entry.state != "applied":
        why = f": {entry.error.detail}" if entry.error else ""
        raise DemoFailed(f"upload {entry.id} ended as `{entry.state}`{why}. See the workers' log.")
    if err.is_terminal:
        err.print(Text.assemble(("✓ ", "green"), (f"{'Applied':<11}", "bold"), SAMPLE.name))
    return entry


def _strongest(stack: Stack) -> list[_Strong]:
    with postgres.connect(stack.settings.database_url, role="demo") as conn:
        half_life = in_seconds(read_parameters(conn).half_life)
        params = {"now": postgres.clock(), "half_life_seconds": half_life, "limit": STRONGEST}
        return postgres.rows(conn, _Strong, _STRONGEST, params)


def _summary(entry: Entry) -> object:
    took = (entry.finished_at - entry.received_at).total_seconds() if entry.finished_at else 0
    return facts(
        {
            "file": f"{SAMPLE.name}, {size(entry.size_bytes)}",
            "rows": f"{number(entry.rows_received)}: {number(entry.rows_applied)} applied, "
            f"{number(entry.rows_rejected)} rejected",
            "mentions": number(entry.mentions),
            "from first byte to applied": f"{took:.1f} s",
        }
    )


def _print_strongest(strongest: list[_Strong]) -> None:
    listed = table("who", "mentions whom", "times", "weight", "", right=("times", "weight"), title="\nThe strongest")
    heaviest = max((edge.weight for edge in strongest), default=1)
    for edge in strongest:
        bar = Text("█" * round(16 * edge.weight / heaviest), style="cyan")
        names = (plain(edge.source, 30), plain(edge.target, 30))
        listed.add_row(*names, number(edge.mention_count), f"{edge.weight:.2f}", bar)
    out.print(listed)


def _print_rejects(rejects: list[_Reject], entry: Entry) -> None:
    """Some of them, of as many kinds as there are, in file order."""
    first_of_kind = {reject.code: reject for reject in reversed(rejects)}
    further = [reject for reject in rejects if first_of_kind[reject.code] is not reject]
    some = sorted([*first_of_kind.values(), *further][:REJECTS], key=lambda reject: reject.line)
    title = f"Rejected: {number(entry.rows_rejected)} rows, {len(some)} of them here; their neighbours were applied"
    listed = table("line", "code", "why", "the row", right=("line",), title=title)
    # Why it was rejected is shown whole, on several lines if need be: in a file, too, whose lines have no end.
    listed.columns[2].max_width = LONGEST_REASON
    width = min(LONGEST_ROW, max(20, (out.width - OTHER_COLUMNS) // 3))
    for reject in some:
        listed.add_row(str(reject.line), reject.code, plain(reject.message), cut(reject.raw, width, "dim"))
    out.print(listed)


def _paths(entry: Entry, strongest: list[_Strong]) -> list[str]:
    user = plain(strongest[0].source) if strongest else "somebody"
    return [f"/users/{user}", f"/uploads/{entry.id}/rejects", "/export/edges.csv"]


def curl(settings: Settings, key_file: str) -> str:
    """The beginning of a command that asks the API: with what the API's certificate and its guard want."""
    words = ["curl"]
    if settings.tls_certificate:
        words += ["--cacert", shlex.quote(settings.ca_file or settings.tls_certificate)]
    if keys.needed(settings):
        words += ["--header", f'"Authorization: Bearer $(cat {shlex.quote(key_file)})"']
    return " ".join(words)
