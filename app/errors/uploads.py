"""Failures of an upload: the service refuses its bytes, or did not get all of them."""

from __future__ import annotations

from app.errors.problem import MentiongraphError, Where


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
    """The compressed body cannot be decoded.

    Check that the compressed file is whole and that Content-Encoding names its format.
    """

    code = "undecodable-body"


class PackedTwice(UploadRefused):
    """The file is packed inside another packed file.

    Unpack the outer file, and send what is in it.
    """

    code = "packed-twice"


class FormatNotRead(UploadRefused):
    """The server does not read files of this format.

    Save the file in the format that the detail names, or as CSV.
    """

    code = "format-not-read"


class ArchiveUnreadable(UploadRefused):
    """The zip, or a file in it, cannot be read.

    Check that the zip opens elsewhere, and pack it again.
    """

    code = "archive-unreadable"


class ArchiveEncrypted(UploadRefused):
    """The zip is protected by a password.

    Pack the files without a password.
    """

    code = "archive-encrypted"


class TooManyMembers(UploadRefused):
    """The zip holds more files than the server takes.

    Pack the files into several zips.
    """

    code = "too-many-members"
    status: int = 413


class NoPostsInArchive(UploadRefused):
    """The zip holds no file of posts.

    Pack files of CSV, JSON, xlsx or Parquet.
    """

    code = "no-posts-in-archive"


class WorkbookUnreadable(UploadRefused):
    """The workbook cannot be read.

    Open the workbook, save it as .xlsx again, and send that file. A sheet can also be saved as CSV.
    """

    code = "workbook-unreadable"


class NoSuchSheet(UploadRefused):
    """The workbook has no such sheet.

    Name one of its sheets with `sheet`.
    """

    code = "no-such-sheet"


class ParquetUnreadable(UploadRefused):
    """The Parquet file cannot be read.

    Check that the file opens elsewhere, and write it again.
    """

    code = "parquet-unreadable"


class UploadTooLarge(UploadRefused):
    """The file is larger than the server takes.

    Split the file, or raise MENTIONGRAPH_MAX_UPLOAD_BYTES.
    """

    code = "upload-too-large"
    status: int = 413


class CostsTooMuch(UploadRefused):
    """Reading the file costs more than its size explains.

    Decompress the file and send it as it is, or compress it once with a usual tool. The detail names the bound.
    """

    code = "costs-too-much"
    status: int = 413


class WindowTooLarge(UploadRefused):
    """The compressed file needs too much memory to be decoded.

    Compress the file with a window of 8 MiB at most (`zstd -19`, `xz -6`), send it without compression, or raise
    MENTIONGRAPH_MAX_WINDOW_BYTES.
    """

    code = "window-too-large"
    status: int = 413


class SameBytes(UploadRefused):
    """Another upload holds the same bytes, with other options.

    Retract the other upload (`mentiongraph retract ID`) and send this upload again, or count the bytes a second time
    with `again=true`.
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

    def __init__(
        self,
        detail: str = "the file has no rows, only a header at most and empty lines. Check that this is the right file.",
    ) -> None:
        super().__init__(detail)


class RowWithoutEnd(UploadRefused):
    """A row of the file does not end.

    Look for a missing line end near the line that the detail names, or send the right file.
    """

    code = "no-row-end"

    @classmethod
    def from_line(cls, line: int, *, searched: int) -> RowWithoutEnd:
        """The failure for the row that begins on `line`, after a search through so many bytes."""
        return cls(
            f"the row that begins on line {line} does not end within {searched} bytes. Look for a missing end of line, "
            "or check that this is the right file. (A row may have 1 MiB.)"
        )


class UnclearFile(UploadRefused):
    """The file can be read in several ways.

    Say how the file is meant: the detail names what was found and the options to give.
    """

    code = "unclear-file"


class JsonNotClosed(UploadRefused):
    """The JSON list does not end.

    Send the whole file: it was cut off.
    """

    code = "json-not-closed"


class JsonGoesOn(UploadRefused):
    """Something follows the JSON list.

    Send one list, or JSON Lines with one object a line.
    """

    code = "json-goes-on"


class PageTooLong(UploadRefused):
    """A page of posts is too long.

    Write one object a line.
    """

    code = "page-too-long"


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


class AllRejected(UploadRefused):
    """Every row of the upload was rejected.

    Look at the reason and the line in the detail, and send the file again with the right options. Nothing of it was
    applied, so the same bytes may come again without `again=true`.
    """

    code = "all-rejected"
    where = Where.LEDGER

    @classmethod
    def because(cls, rows: int, code: str, with_code: str, *, line: int | None, message: str | None) -> AllRejected:
        """The failure of so many rows. `with_code` says how many of them have the commonest code, whose first row is
        kept or not."""
        first = "." if line is None else f", first on line {line}: {message}"
        return cls(
            f"all {rows:,} rows were rejected; nothing was applied. The commonest reason is {code} ({with_code})"
            f"{first} Send the file again with the options that fit, or repair its rows."
        )
