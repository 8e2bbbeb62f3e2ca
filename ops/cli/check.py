"""The command that reads and counts files without a server: check."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import click
import msgspec

from app.errors import ArchiveUnreadable, BadRequest, UploadRefused, UploadTooLarge
from app.posts import repair
from app.posts.containers import contents
from app.posts.containers.budget import Bounds, Budget
from app.posts.containers.compression import decoder
from app.posts.containers.contents import Content, Room
from app.posts.options import Format, Given, Options
from app.settings import Settings
from app.store import postgres
from ops.cli import checking, options, reading_shown, warnings_shown
from ops.cli.checking import Refused, Reject, Report
from ops.cli.console import data_out, facts, number, out, plain, print_json, say, table
from ops.cli.sending import opened, sending

REFUSED = 3
HAS_REJECTS = 1


@click.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@options.reading
@click.option("--strict", is_flag=True, help="Exit with 1 if any row is rejected.")
@click.option(
    "--rejects",
    "kept",
    metavar="OUT",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write the rejected rows to OUT, so that you can repair and upload them. For one FILE.",
)
@options.as_json
def check(files: Sequence[Path], kept: Path | None, *, strict: bool, json: bool, **chosen: str | bool | None) -> None:
    """Read and count files here, as an upload would. The command needs no server and no database.

    It shows how the file is read and its first posts with their mentions marked. Then it shows how many rows an upload
    would accept and reject, where and why, and how many mentions, edges and users the rows contain. FILE - is standard
    input. To have a server read the file, use `mentiongraph upload --dry-run`.

    Exits with 0 if every file could be uploaded. Exits with 3 if a file would be refused as a whole, also because of
    --max-rejects. Exits with 1 if --strict is given and a row would be rejected.

    \b
    Examples:
      mentiongraph check posts.csv
      mentiongraph check --strict --text body --author from --timestamp at export.csv.gz
      mentiongraph check --rejects repair-me.csv posts.csv
      mentiongraph check --json posts.jsonl | jq .rejects
    """
    if kept is not None and len(files) > 1:
        raise BadRequest("--rejects takes the rejected rows of one FILE: check the files one by one.")
    batch_bytes = options.settings(None).batch_bytes
    worst = 0
    for file in files:
        query = options.query(chosen)
        code = _check(file, query, kept, batch_bytes, json=json, strict=strict)
        worst = REFUSED if REFUSED in {code, worst} else code or worst
    if worst:
        raise click.exceptions.Exit(worst)


def _check(file: Path, query: dict[str, str], kept: Path | None, batch_bytes: int, *, json: bool, strict: bool) -> int:
    wanted = checking.options_of(query)
    name = "standard input" if str(file) == "-" else file.name
    with contextlib.ExitStack() as stack:
        keep = stack.enter_context(_keeping(kept))
        show = stack.enter_context(sending(name, "reading", "counting"))
        stream, total = stack.enter_context(opened(file))
        settings = options.settings(None)
        budget = Budget(Bounds.of(settings))
        room = Room.of(settings.max_upload_bytes, lambda: stack.enter_context(tempfile.TemporaryFile()), budget)
        encoding = decoder(options.compression(file), budget)
        found = contents.files_of(show.sent(stream, total), encoding, wanted.given or Given(), room)
        results = list(_results(name, found, wanted, batch_bytes, keep))
    if kept is not None and len(results) > 1:
        raise BadRequest(
            "--rejects takes the rejected rows of one file: unpack the zip, and check its files one by one."
        )
    worst = 0
    for result in results:
        code = _told(result, json=json, strict=strict)
        worst = REFUSED if REFUSED in {code, worst} else code or worst
    return worst


class _Result(NamedTuple):
    name: str
    report: Report | None
    refusal: UploadRefused | None


def _results(
    name: str,
    found: Iterator[tuple[str | None, Content]],
    wanted: Options,
    batch_bytes: int,
    keep: Callable[[Format, list[Reject]], None],
) -> Iterator[_Result]:
    """What becomes of a file, or of each file in a zip. A refusal of the file as a whole ends it."""
    inner = None
    try:
        for inner, content in found:
            shown = f"{name}/{inner}" if inner else name
            of_file = msgspec.structs.replace(wanted, given=content.given)
            try:
                report = checking.check(
                    content.pieces, of_file, batch_bytes=batch_bytes, now=postgres.clock(), rejected=keep
                )
                yield _Result(shown, _told_of(content, report), None)
            except Refused as refused:
                yield _Result(shown, _told_of(content, refused.report), refused.reason)
                if isinstance(refused.reason, ArchiveUnreadable | UploadTooLarge):
                    return
    except UploadRefused as refused:
        yield _Result(name, None, refused)


def _told_of(content: Content, report: Report) -> Report:
    """The report, with what the container of the rows is."""
    if report.preview is not None:
        told = content.told(report.preview.detected)
        report.preview = msgspec.structs.replace(report.preview, detected=told)
    return report


def _told(result: _Result, *, json: bool, strict: bool) -> int:
    """Print a result. Returns the exit code."""
    name, report, refusal = result
    if json:
        counted: dict[str, Any] = msgspec.structs.asdict(report) if report is not None else {}
        print_json({"file": name, **counted, "refused": None if refusal is None else refusal.problem()})
    else:
        _print(name, report, refusal)
    if refusal is not None:
        return REFUSED
    return HAS_REJECTS if strict and report is not None and report.rows_rejected else 0


@contextlib.contextmanager
def _keeping(kept: Path | None) -> Generator[Callable[[Format, list[Reject]], None]]:
    """Write rejects to a file as they come, if a file is named."""
    with contextlib.ExitStack() as stack:
        stream: IO[bytes] | None = None
        if kept is not None:
            stream = data_out() if str(kept) == "-" else stack.enter_context(kept.open("wb"))

        def keep(form: Format, rejects: list[Reject]) -> None:
            if stream is not None:
                stream.writelines(
                    [repair.header_line(form)] if not rejects else [repair.repair_line(form, each) for each in rejects]
                )

        yield keep


def _print(name: str, report: Report | None, refusal: UploadRefused | None) -> None:
    if report is not None and report.preview is not None:
        reading_shown.show(report.preview)
    if report is not None and report.rows_received:
        out.print(
            facts(
                {
                    "file": plain(name),
                    "rows": f"{number(report.rows_received)}: {number(report.rows_accepted)} accepted, "
                    f"{number(report.rows_rejected)} rejected",
                    "mentions": number(report.mentions),
                    "edges": number(report.edges),
                    "users": number(report.users),
                }
            )
        )
        _print_rejects(report)
        warnings_shown.show(report.warnings, name)
    if refusal is not None:
        say(f"{plain(name)} would be refused: {refusal.code}: {plain(refusal.detail)}")


def _print_rejects(report: Report) -> None:
    if not report.rejects:
        return
    listed = table("rejected because", "rows", "lines", "the first of them", right=("rows",))
    for code, found in sorted(report.rejects.items(), key=lambda item: -item[1].count):
        more = ", …" if found.count > len(found.lines) else ""
        listed.add_row(code, number(found.count), ", ".join(map(str, found.lines)) + more, plain(found.message, 200))
    out.print(listed)
    if report.rows_rejected > (kept := Settings().rejects_kept):
        say(
            f"An upload would keep {number(kept)} of the {number(report.rows_rejected)} rejected rows, and count the "
            "others. --rejects OUT writes all of them.",
            err=True,
        )
