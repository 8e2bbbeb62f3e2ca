"""Every failure that a user can meet, named once: a class for each kind of failure.

The first line of a class's docstring is the failure's title. The second paragraph says what to do about the failure.
`Problem` is the RFC 9457 document that HTTP answers with, that the ledger keeps in `error`, and that the CLI prints.
Only `MentiongraphError.problem` makes such a document. `problems` lists all kinds, for the reference in the docs.
"""

from __future__ import annotations

import inspect
from enum import StrEnum
from typing import ClassVar, NamedTuple
from uuid import UUID

import msgspec

PROBLEM_TYPE_PREFIX = "urn:mentiongraph:problem:"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An RFC 9457 problem document; `detail` says what was found, where, and what to do."""

    type: str
    title: str
    status: int
    detail: str
    upload: str | None = None
    """Id of the upload whose ledger entry keeps this problem."""


class Where(StrEnum):
    """Where a user meets a failure."""

    HTTP = "HTTP answer"
    LEDGER = "`error` of an upload or batch"
    CLI = "command line"


def capitalized(detail: str) -> str:
    """The detail as a sentence. Errors have theirs in lower case, since the command line prints them behind a colon."""
    return detail[:1].upper() + detail[1:]


class MentiongraphError(Exception):
    """The service failed in a way that nobody foresaw.

    This is a bug. Report it, with the lines that the process logged at this time.
    """

    code: str = "internal-error"
    status: int = 500
    exit_code: ClassVar[int] = 1
    where: ClassVar[Where] = Where.HTTP

    upload_id: UUID | None = None
    """The upload in the ledger that keeps this failure, if an upload does."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def title(self) -> str:
        return title_of(type(self))

    def problem(self) -> Problem:
        return Problem(
            type=PROBLEM_TYPE_PREFIX + self.code,
            title=self.title,
            status=self.status,
            detail=capitalized(self.detail),
            upload=str(self.upload_id) if self.upload_id else None,
        )


# Requests -------------------------------------------------------------------------------------------------------------


class BadRequest(MentiongraphError):
    """The request cannot be understood.

    Correct what the detail names: it says which parameter is wrong and which values are allowed.
    """

    code = "bad-request"
    status: int = 400
    exit_code = 2


class CrossSite(MentiongraphError):
    """A page of another site sent the request.

    Send the request from a page of this server, or from a program that is no browser.
    """

    code = "cross-site"
    status: int = 403
    exit_code = 2


class NotFound(MentiongraphError):
    """Nothing of this name exists.

    Check the spelling. The detail says where the existing names are listed.
    """

    code = "not-found"
    status: int = 404
    exit_code = 4


class MethodNotAllowed(MentiongraphError):
    """The path does not take this method.

    Use one of the methods in the answer's `Allow` header.
    """

    code = "method-not-allowed"
    status: int = 405
    exit_code = 2


class BadState(MentiongraphError):
    """The state of the upload or batch does not allow this.

    Look at the state with `GET /uploads/{upload_id}`. The detail says which states allow the request.
    """

    code = "bad-state"
    status: int = 409
    exit_code = 4


class KeyInUse(MentiongraphError):
    """The server is still receiving the first request with this Idempotency-Key.

    Send the request again after the seconds in `Retry-After`.
    """

    code = "idempotency-key-in-use"
    status: int = 409
    exit_code = 4


class KeyReused(MentiongraphError):
    """Another request used this Idempotency-Key before.

    Give each new request a key of its own.
    """

    code = "idempotency-key-reused"
    status: int = 422
    exit_code = 2


class ClientGone(MentiongraphError):
    """The client closed the connection before the answer began.

    Nothing: only the server's log shows this problem.
    """

    code = "client-gone"
    status: int = 499


# Limits and servers ---------------------------------------------------------------------------------------------------


class BacklogFull(MentiongraphError):
    """Too many bytes are waiting to be counted.

    Send the file again after the seconds in `Retry-After`. More workers shorten the backlog.
    """

    code = "backlog-full"
    status: int = 429
    exit_code = 5


class TooManyListeners(MentiongraphError):
    """Too many clients are listening to events.

    Ask `GET /uploads/{upload_id}` from time to time instead, or start another API process.
    """

    code = "too-many-listeners"
    status: int = 503
    exit_code = 5


class TooManyExports(MentiongraphError):
    """Too many exports are running.

    Ask again when another export has ended, or start another API process.
    """

    code = "too-many-exports"
    status: int = 503
    exit_code = 5


class DatabaseUnavailable(MentiongraphError):
    """PostgreSQL cannot be reached.

    Check that PostgreSQL runs and that MENTIONGRAPH_DATABASE_URL names it. Then try again.
    """

    code = "database-unavailable"
    status: int = 503
    exit_code = 5


class TookTooLong(MentiongraphError):
    """PostgreSQL took longer than it may for one statement.

    Try again when PostgreSQL has less to do, ask for less, or raise MENTIONGRAPH_STATEMENT_TIMEOUT.
    """

    code = "took-too-long"
    status: int = 503
    exit_code = 5


class NotMigrated(MentiongraphError):
    """The database does not have the schema that this version needs.

    Run `mentiongraph migrate`.
    """

    code = "not-migrated"
    status: int = 503
    exit_code = 5


class SchemaTooNew(MentiongraphError):
    """The database's schema is newer than this release can work with.

    Start the release that made the schema, or a later one.
    """

    code = "schema-too-new"
    status: int = 503
    where = Where.CLI
    exit_code = 5


# Uploads --------------------------------------------------------------------------------------------------------------


class UploadCutOff(MentiongraphError):
    """The body of the upload did not arrive in full.

    Send the file again. Nothing of it was applied.
    """

    code = "upload-cut-off"
    status: int = 400
    exit_code = 3


class UploadRefused(MentiongraphError):
    """The server refused the upload.

    Correct the file or the request as the detail says, and send it again. Nothing of it was applied.
    """

    status: int = 422
    exit_code = 3


class NoFile(UploadRefused):
    """The form has no part named `file`.

    Send the file in the part `file`, or as the body itself.
    """

    code = "no-file"
    status: int = 400


class SeveralFiles(UploadRefused):
    """The form has more than one file.

    Send each file in a form of its own.
    """

    code = "several-files"
    status: int = 400


class MalformedForm(UploadRefused):
    """The body is not the form that its Content-Type announces.

    Let a library build the multipart/form-data body, or send the file as the body itself.
    """

    code = "malformed-form"
    status: int = 400


class UnsupportedMediaType(UploadRefused):
    """The server does not read this Content-Type.

    Send one of the types in the answer's `Accept-Post` header, in UTF-8, UTF-16 or Latin-1.
    """

    code = "unsupported-media-type"
    status: int = 415


class UnsupportedEncoding(UploadRefused):
    """The server does not decode this Content-Encoding.

    Compress the body with one of the encodings in the answer's `Accept-Encoding` header, or not at all.
    """

    code = "unsupported-encoding"
    status: int = 415


class UndecodableBody(UploadRefused):
    """The body is not compressed as its Content-Encoding says.

    Check that the compressed file is whole and that Content-Encoding names its format.
    """

    code = "undecodable-body"


class UploadTooLarge(UploadRefused):
    """The file is larger than the server takes.

    Split the file, or raise MENTIONGRAPH_MAX_UPLOAD_BYTES.
    """

    code = "upload-too-large"
    status: int = 413


class SameBytes(UploadRefused):
    """Another upload holds the same bytes, with other options.

    Retract the other upload first, or count the bytes a second time with `again=true`.
    """

    code = "same-bytes-other-options"
    status: int = 409


class EmptyFile(UploadRefused):
    """The file is empty.

    Send CSV with a header line, or JSON Lines with one object a line.
    """

    code = "empty-file"


class NoRows(UploadRefused):
    """The file has no rows.

    Check that the right file was sent: it has a header at most.
    """

    code = "no-rows"


class RowWithoutEnd(UploadRefused):
    """A row of the file does not end.

    Look for a missing line end near the line that the detail names, or send the right file.
    """

    code = "no-row-end"


class HeaderNotUtf8(UploadRefused):
    """The header is not UTF-8.

    Save the file as UTF-8, or name its encoding with the parameter `encoding`.
    """

    code = "header-not-utf8"


class HeaderHasNul(UploadRefused):
    """The header has NUL bytes.

    Save the file as UTF-8, or name its encoding with the parameter `encoding`.
    """

    code = "header-has-nul"


class HeaderMalformed(UploadRefused):
    """A quote in the header does not close properly.

    Correct the header: a quoted name ends with a quote, and a quote inside the name is doubled.
    """

    code = "header-malformed"


class HeaderTooLong(UploadRefused):
    """The header does not end.

    Start the file with a line that names its columns. Look for an unclosed quote.
    """

    code = "header-too-long"


class DuplicateColumn(UploadRefused):
    """The header names a column twice.

    Rename one of the columns, or name the right one with `text`, `timestamp` or `author`.
    """

    code = "duplicate-column"


class MissingColumn(UploadRefused):
    """The header lacks a column.

    Name the file's own columns with the parameters `text`, `timestamp` and `author`.
    """

    code = "missing-column"


class UnknownEncoding(UploadRefused):
    """The file's encoding is not one that is read.

    Name one of the encodings in the detail, or save the file as UTF-8.
    """

    code = "unknown-encoding"
    where = Where.CLI


class TooManyRejects(UploadRefused):
    """More rows were rejected than the upload allows.

    Repair the rejected rows (`GET /uploads/{upload_id}/rejects.csv`), or allow more with `max_rejects`.
    """

    code = "too-many-rejects"
    where = Where.LEDGER


# The work of the workers ----------------------------------------------------------------------------------------------


class RowsDiffer(MentiongraphError):
    """A worker received another number of rows than the API staged.

    Report the upload and both releases: API and workers read the file in two ways. Nothing of the batch was applied.
    """

    code = "rows-differ"
    where = Where.LEDGER


class CountFailed(MentiongraphError):
    """A worker could not count the batch.

    Look at the detail and at the worker's log, then run `mentiongraph replay`.
    """

    code = "count-failed"
    where = Where.LEDGER


class WorkerLost(MentiongraphError):
    """Every worker that took this batch was lost.

    Look at the workers' logs (did the system end them for want of memory?), then run `mentiongraph replay`.
    """

    code = "worker-lost"
    where = Where.LEDGER


class MergeFailed(MentiongraphError):
    """A worker could not merge the batch into the graph.

    Cancel or retract the upload, and send the file again. The other uploads go on.
    """

    code = "merge-failed"
    where = Where.LEDGER


# The command line -----------------------------------------------------------------------------------------------------


class BadSetting(MentiongraphError):
    """A setting has a value that cannot be used.

    Correct the variable that the detail names. `mentiongraph settings` lists all variables.
    """

    code = "bad-setting"
    exit_code = 2
    where = Where.CLI


class ServerFailed(MentiongraphError):
    """A server or process that this command needs did not start.

    Look at the log that the detail names.
    """

    code = "server-failed"
    exit_code = 6
    where = Where.CLI


# What there is --------------------------------------------------------------------------------------------------------


class Kind(NamedTuple):
    """A kind of problem, as the reference lists it."""

    error: type[MentiongraphError]
    code: str
    status: int | None
    """None: the problem never has an HTTP status."""
    exit_code: int
    where: Where
    title: str
    to_do: str


def problems() -> list[Kind]:
    """Every kind of problem, in the order of the code."""
    kinds = [error for error in _with_subclasses(MentiongraphError) if "code" in vars(error)]
    return sorted(
        (
            Kind(
                error,
                error.code,
                None if error.where is Where.CLI else error.status,
                error.exit_code,
                error.where,
                title_of(error),
                to_do(error),
            )
            for error in kinds
        ),
        key=lambda kind: kind.code,
    )


def title_of(error: type[MentiongraphError]) -> str:
    """The title of all problems of this kind."""
    return _paragraphs(error)[0].rstrip(".")


def to_do(error: type[MentiongraphError]) -> str:
    """What a user does about problems of this kind."""
    return " ".join(_paragraphs(error)[1].split())


def _paragraphs(error: type[MentiongraphError]) -> list[str]:
    return (inspect.getdoc(error) or "").split("\n\n")


def _with_subclasses(error: type[MentiongraphError]) -> list[type[MentiongraphError]]:
    # The command line has failures of its own, which never become a problem document over HTTP or in the ledger.
    own = [each for each in error.__subclasses__() if each.__module__ == __name__]
    return [error, *(below for each in own for below in _with_subclasses(each))]
