"""This module reads and counts a file like an upload, but without a server and a database.

Memory use is constant, except for the file's edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec
import polars as pl

from app import errors
from app.errors import NoRows, RowWithoutEnd
from app.graph.mentions import count
from app.graph.profiles import PROFILES, profile_named
from app.posts.encodings import transcoder
from app.posts.options import ColumnNames, Format, InputFormat, Options, RejectLimit
from app.posts.readers import LONGEST_ROW_SEARCH, READERS

LINES_SHOWN = 5
_HALF_LIFE = timedelta(days=7)
"""Half-life of the weights, which a report does not show."""
_COMPACTED = 1_000_000


class Rejected(msgspec.Struct):
    """The rejects of one code."""

    count: int
    lines: list[int]
    """The lines of the first rejects."""
    message: str
    """The message of the first reject."""


class Reject(msgspec.Struct, frozen=True):
    """A reject with the fields that the ledger keeps."""

    line: int
    column_name: str | None
    code: str
    message: str
    raw: bytes


class Report(msgspec.Struct, kw_only=True):
    """The numbers that an upload of the file would give. rows_received = rows_accepted + rows_rejected."""

    rows_received: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    mentions: int = 0
    edges: int = 0
    users: int = 0
    rejects: dict[str, Rejected] = {}


def options_of(query: dict[str, str]) -> Options:
    """Returns the options from the parameters that the API would get. Raises BadRequest."""
    defaults = Options()
    profile = query.get("profile", defaults.profile)
    profile_named(profile)
    columns = msgspec.convert(
        {role: query[role] for role in ColumnNames.__struct_fields__ if role in query}, ColumnNames
    )
    columns.require_three()
    limit = query.get("max_rejects")
    return Options(
        columns=columns,
        format=InputFormat(query.get("format", defaults.format)),
        encoding=query.get("encoding", defaults.encoding),
        delimiter=query.get("delimiter", defaults.delimiter),
        profile=profile,
        retweets=query.get("retweets") != "false",
        max_rejects=None if limit is None else RejectLimit.parsed(limit, where="--max-rejects"),
        dry_run=True,
    )


def check(
    pieces: Iterable[bytes],
    options: Options,
    *,
    batch_bytes: int,
    now: datetime,
    rejected: Callable[[Format, list[Reject]], None],
) -> Report:
    """Read and count a decompressed body.

    `rejected` is called once with no rejects when the header is read, and then with the rejects of each batch. Raises
    UploadRefused for the same reasons as an upload: the header, the encoding, no rows, or too many rejects.
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
            raise NoRows
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
        """Count the complete rows. The rest waits for more bytes."""
        data = bytes(self._buffer)
        found = self._reader.cut(data, delimiter=form.delimiter, final=final)
        if found.end == 0 and not final and len(data) > self._batch_bytes + LONGEST_ROW_SEARCH:
            raise RowWithoutEnd.from_line(self._line, searched=len(data))
        if found.end:
            del self._buffer[: found.end]
            self._count(data[: found.end], form)
            self._line += found.lines

    def _count(self, data: bytes, form: Format) -> None:
        posts = self._reader.read(data, form, first_line=self._line)
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


class TooManyRejects(errors.TooManyRejects):
    """More rows were rejected than the upload allows."""

    def __init__(self, report: Report) -> None:
        super().__init__(
            f"{report.rows_rejected} of {report.rows_received} rows are rejected, more than --max-rejects allows. "
            "Repair these rows, or allow more rejects."
        )
        self.report = report
