"""This module reads and counts a file like an upload, but without a server and a database.

Memory use is constant, except for the file's edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec
import polars as pl

from app.errors import NoRows, RowWithoutEnd, TooManyRejects, UploadRefused
from app.graph.mentions import count
from app.graph.noticing import Batch
from app.graph.previews import Preview, asked, shown
from app.graph.profiles import PROFILES, profile_named
from app.graph.tally import Tally
from app.ledger.warnings import UploadWarning
from app.posts.given import check_given
from app.posts.options import Format, Given, Options, RejectLimit
from app.posts.readers import LONGEST_ROW_SEARCH, READERS, Reader
from app.posts.source import Source, resolved

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
    warnings: list[UploadWarning] = []
    preview: Preview | None = None
    """How the file was read, and its first posts. None: the file's first bytes are no file of posts."""


def options_of(query: dict[str, str]) -> Options:
    """Returns the options from the parameters that the API would get. Raises BadRequest."""
    said: dict[str, object] = {name: value for name, value in query.items() if name in Given.__struct_fields__}
    if "format" in query:
        said["layout"] = query["format"]
    if "columns" in query:
        said["columns"] = [name.strip() for name in query["columns"].split(",")]
    given = check_given(msgspec.convert(said, Given, strict=False))
    if given.profile is not None:
        profile_named(given.profile)
    limit = query.get("max_rejects")
    return Options(
        given=given,
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
    Refused for the same reasons as an upload: the header, the encoding, no rows, or too many rejects.
    """
    file = _File(options, batch_bytes, now, rejected)
    try:
        for piece in pieces:
            file.add(piece)
        return file.end()
    except UploadRefused as refused:
        raise Refused(refused, file.report) from refused


class Refused(Exception):
    """An upload of the file would be refused. `report` tells how far the file was read."""

    def __init__(self, reason: UploadRefused, report: Report) -> None:
        super().__init__(reason.detail)
        self.reason = reason
        self.report = report


class _File:
    def __init__(
        self, options: Options, batch_bytes: int, now: datetime, rejected: Callable[[Format, list[Reject]], None]
    ) -> None:
        self._options = options
        self._source = Source(options.given or Given())
        self._reader: Reader = READERS[options.format]
        self._batch_bytes = batch_bytes
        self._now = now
        self._rejected = rejected
        self._buffer = bytearray()
        self._line = 1
        self.report = Report()
        self._edges = pl.DataFrame(schema={"source": pl.String, "target": pl.String})
        self._compact = 0
        self._tally = Tally()

    def add(self, piece: bytes) -> None:
        if self._source.is_open:
            for part in self._source.feed(piece):
                self._take(part)
        elif self._source.hold(piece):
            self._open(final=False)

    def end(self) -> Report:
        if self._source.is_open:
            self._take(self._source.finish())
        else:
            self._open(final=True)
        self._cut(final=True)
        report = self.report
        if not report.rows_received:
            raise NoRows
        edges = self._edges.unique()
        report.edges = len(edges)
        report.users = pl.concat([edges["source"], edges["target"]]).n_unique()
        weights = self._options.detected.get("weight")
        report.warnings = self._tally.warnings(weights and weights.value)
        if (refusal := self._tally.refusal()) is not None:
            raise refusal
        limit = self._options.max_rejects
        if limit is not None and limit.exceeded(rejected=report.rows_rejected, received=report.rows_received):
            raise TooManyRejects(
                f"{report.rows_rejected} of {report.rows_received} rows are rejected, more than --max-rejects allows. "
                "Repair these rows, or allow more rejects."
            )
        return report

    def _open(self, *, final: bool) -> None:
        """Look at the first bytes, and take the rows in them. The header may need more bytes first."""
        found = self._source.look(final=final)
        if found.doubts:
            self.report.preview = asked(found)
        rows = self._source.open(final=final)
        if rows is None:
            return
        self.report.preview = shown(self._source, rows, final=final)
        self._options = resolved(self._options, self._source.reading)
        self._reader, self._line = READERS[self._options.format], self._source.first_line
        self._rejected(self._source.format, [])
        self._take(rows)

    def _take(self, rows: bytes) -> None:
        for at in range(0, len(rows), self._batch_bytes):
            self._buffer += rows[at : at + self._batch_bytes]
            if len(self._buffer) >= self._batch_bytes:
                self._cut(final=False)

    def _cut(self, *, final: bool) -> None:
        """Count the complete rows. The rest waits for more bytes."""
        form, data = self._source.format, bytes(self._buffer)
        found = self._reader.cut(data, delimiter=form.delimiter, final=final)
        if found.end == 0 and not final and len(data) > self._batch_bytes + LONGEST_ROW_SEARCH:
            raise RowWithoutEnd.from_line(self._line, searched=len(data))
        if found.end:
            del self._buffer[: found.end]
            self._count(data[: found.end], form)
            self._line += found.lines

    def _count(self, data: bytes, form: Format) -> None:
        posts = self._reader.read(data, form, first_line=self._line)
        options, report = self._options, self.report
        counted = count(
            posts.frame,
            profile=PROFILES[options.profile],
            clock=options.clock,
            received_at=self._now,
            half_life=_HALF_LIFE,
            retweets=options.retweet_rule,
        )
        self._tally.add(
            Batch(
                posts.frame,
                posts.rejects,
                counted,
                PROFILES[options.profile],
                self._now,
                placeholders=form.placeholders,
            )
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
            of_code = self.report.rejects.setdefault(reject.code, Rejected(0, [], reject.message))
            of_code.count += 1
            if len(of_code.lines) < LINES_SHOWN:
                of_code.lines.append(reject.line)
        self._rejected(form, found)
