"""A file read and counted as an upload would be, here: no server, no database. In constant memory but for its edges."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec
import polars as pl

from app.errors import BadRequest, UploadRefused
from app.graph.mentions import count
from app.graph.profiles import PROFILES
from app.posts.encodings import transcoder
from app.posts.options import ColumnNames, Format, InputFormat, Options, RejectLimit
from app.posts.readers import READERS

LINES_SHOWN = 5
LONGEST_ROW_SEARCH = 16 << 20
"""As app.uploads has it."""
_LIMIT = re.compile(r"(?P<rows>\d{1,12})|(?P<percent>100|\d{1,2}(?:\.\d{1,6})?)%")
_HALF_LIFE = timedelta(days=7)
"""Of weights, which are not shown."""
_COMPACTED = 1_000_000


class Rejected(msgspec.Struct):
    """The rejects of one code."""

    count: int
    lines: list[int]
    """Where the first of them are."""
    message: str
    """Of the first."""


class Reject(msgspec.Struct, frozen=True):
    """As the ledger keeps it."""

    line: int
    column_name: str | None
    code: str
    message: str
    raw: bytes


class Report(msgspec.Struct, kw_only=True):
    """What an upload of the file would come to: rows_received = rows_accepted + rows_rejected."""

    rows_received: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    mentions: int = 0
    edges: int = 0
    users: int = 0
    rejects: dict[str, Rejected] = {}


def options_of(query: dict[str, str]) -> Options:
    """Options from the parameters that the API would get. Raises BadRequest."""
    if query.get("profile", "twitter") not in PROFILES:
        raise BadRequest(f"there is no mention profile {query['profile']!r}; known: {', '.join(PROFILES)}.")
    defaults = Options()
    names: dict[str, str] = msgspec.structs.asdict(ColumnNames())
    columns: dict[str, str] = {role: query.get(role, name) for role, name in names.items()}
    if len({name.strip().casefold() for name in columns.values()}) < len(columns):
        raise BadRequest(f"text, timestamp and author are three columns; asked for: {', '.join(columns.values())}.")
    return Options(
        columns=ColumnNames(**columns),
        format=InputFormat(query.get("format", defaults.format)),
        encoding=query.get("encoding", defaults.encoding),
        delimiter=query.get("delimiter", defaults.delimiter),
        profile=query.get("profile", defaults.profile),
        retweets=query.get("retweets") != "false",
        max_rejects=_limit(query.get("max_rejects")),
        dry_run=True,
    )


def _limit(given: str | None) -> RejectLimit | None:
    if given is None:
        return None
    found = _LIMIT.fullmatch(given)
    if found is None:
        raise BadRequest(f"--max-rejects: {given!r} is neither a number nor a share such as 5%.")
    if found["rows"]:
        return RejectLimit(rows=int(found["rows"]))
    return RejectLimit(share=float(found["percent"]) / 100)


def check(
    pieces: Iterable[bytes],
    options: Options,
    *,
    batch_bytes: int,
    now: datetime,
    rejected: Callable[[Format, list[Reject]], None],
) -> Report:
    """Read and count a decompressed body. `rejected` gets the rejects as they are found, and at first none of them.

    Raises UploadRefused as an upload would be: for its header, its encoding, for want of rows, for too many rejects.
    """
    file = _File(options, batch_bytes, now, rejected)
    decode = transcoder(options.encoding)
    for piece in pieces:
        for part in decode.feed(piece):
            file.add(part)
    file.add(decode.finish())
    return file.end()


class _File:
    def __init__(
        self, options: Options, batch_bytes: int, now: datetime, rejected: Callable[[Format, list[Reject]], None]
    ) -> None:
        self._options = options
        self._reader = READERS[options.format]
        self._batch_bytes = batch_bytes
        self._now = now
        self._rejected = rejected
        self._format: Format | None = None
        self._buffer = bytearray()
        self._line = 1
        self._report = Report()
        self._edges = pl.DataFrame(schema={"source": pl.String, "target": pl.String})
        self._compact = 0

    def add(self, part: bytes) -> None:
        self._buffer += part
        if self._format is None:
            self._read_header(final=False)
        if self._format is not None and len(self._buffer) >= self._batch_bytes:
            self._cut(self._format, final=False)

    def end(self) -> Report:
        if self._format is None:
            self._read_header(final=True)
        if self._format is not None:
            self._cut(self._format, final=True)
        report = self._report
        if not report.rows_received:
            raise UploadRefused("no-rows", "the file has no row: a header at most, and empty lines.")
        edges = self._edges.unique()
        report.edges = len(edges)
        report.users = pl.concat([edges["source"], edges["target"]]).n_unique()
        limit = self._options.max_rejects
        if limit is not None and limit.exceeded(rejected=report.rows_rejected, received=report.rows_received):
            raise TooManyRejects(report)
        return report

    def _read_header(self, *, final: bool) -> None:
        options = self._options
        header = self._reader.read_header(
            bytes(self._buffer), final=final, names=options.columns, delimiter=options.delimiter
        )
        if header is None:
            return
        self._format, self._line = header.format, header.first_line
        del self._buffer[: header.body_offset]
        self._rejected(header.format, [])

    def _cut(self, form: Format, *, final: bool) -> None:
        """Count what is complete; the rest waits for more."""
        data = bytes(self._buffer)
        end = self._reader.boundary(data, delimiter=form.delimiter, final=final)
        if end == 0 and not final and len(data) > self._batch_bytes + LONGEST_ROW_SEARCH:
            raise UploadRefused(
                "row-too-long",
                f"the row that begins on line {self._line} does not end within {len(data)} bytes: this is not the "
                f"{self._options.format} it is said to be.",
            )
        if end:
            del self._buffer[:end]
            self._count(data[:end], form)

    def _count(self, data: bytes, form: Format) -> None:
        posts = self._reader.read(data, form, first_line=self._line)
        self._line += self._reader.count_lines(data)
        options, report = self._options, self._report
        counted = count(
            posts.frame,
            profile=PROFILES[options.profile],
            clock=options.clock,
            received_at=self._now,
            half_life=_HALF_LIFE,
            retweets=options.retweet_rule,
        )
        report.rows_received += posts.rows
        report.rows_accepted += len(posts.frame)
        report.rows_rejected += len(posts.rejects)
        report.mentions += counted.mentions
        self._edges = pl.concat([self._edges, counted.named().select("source", "target")])
        if len(self._edges) > 2 * self._compact + _COMPACTED:
            self._edges = self._edges.unique()
            self._compact = len(self._edges)
        if len(posts.rejects):
            self._keep(form, posts.rejects)

    def _keep(self, form: Format, rejects: pl.DataFrame) -> None:
        columns = rejects.select("line", "column", "code", "message", "raw")
        found = [Reject(*row) for row in columns.iter_rows()]
        for reject in found:
            of_code = self._report.rejects.setdefault(reject.code, Rejected(0, [], reject.message))
            of_code.count += 1
            if len(of_code.lines) < LINES_SHOWN:
                of_code.lines.append(reject.line)
        self._rejected(form, found)


class TooManyRejects(UploadRefused):
    """The upload was refused; nothing of it was applied."""

    def __init__(self, report: Report) -> None:
        super().__init__(
            "too-many-rejects",
            f"{report.rows_rejected} of {report.rows_received} rows are rejected, more than --max-rejects allows.",
        )
        self.report = report
