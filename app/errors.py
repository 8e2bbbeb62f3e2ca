"""Every failure a user can meet, named once: a class a failure, its docstring is its title.

`Problem` is the RFC 9457 document that HTTP answers with, that the ledger keeps in `error`, and that the CLI prints.
"""

from __future__ import annotations

from typing import ClassVar
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
    """Id of the upload in the ledger that keeps this problem, if there is one."""


def capitalized(detail: str) -> str:
    """As a sentence begins; the command line has it behind a colon."""
    return detail[:1].upper() + detail[1:]


class MentiongraphError(Exception):
    """Something went wrong."""

    code: str = "internal-error"
    status: int = 500
    exit_code: ClassVar[int] = 1

    upload_id: UUID | None = None
    """The upload in the ledger that keeps this failure, if there is one."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def title(self) -> str:
        return (type(self).__doc__ or "").partition("\n")[0].rstrip(".")

    def problem(self) -> Problem:
        return Problem(
            type=PROBLEM_TYPE_PREFIX + self.code,
            title=self.title,
            status=self.status,
            detail=capitalized(self.detail),
            upload=str(self.upload_id) if self.upload_id else None,
        )


class UploadRefused(MentiongraphError):
    """The upload was refused; nothing of it was applied."""

    status: int = 422
    exit_code = 3

    def __init__(self, code: str, detail: str, *, status: int = 422) -> None:
        super().__init__(detail)
        self.code = code
        self.status = status


class UploadCutOff(MentiongraphError):
    """The body did not arrive to its end; nothing of the upload was applied."""

    code = "upload-cut-off"
    status: int = 400
    exit_code = 3


class RowsDiffer(MentiongraphError):
    """A worker received another number of rows than the API staged."""

    code = "rows-differ"


class ClientGone(MentiongraphError):
    """The client did not wait for the answer."""

    code = "client-gone"
    status: int = 499


class NotFound(MentiongraphError):
    """There is no such thing."""

    code = "not-found"
    status: int = 404
    exit_code = 4


class BadState(MentiongraphError):
    """Its state does not allow this."""

    code = "bad-state"
    status: int = 409
    exit_code = 4


class KeyInUse(MentiongraphError):
    """The first request with this Idempotency-Key is still being received."""

    code = "idempotency-key-in-use"
    status: int = 409
    exit_code = 4


class KeyReused(MentiongraphError):
    """This Idempotency-Key came with another request before."""

    code = "idempotency-key-reused"
    status: int = 422
    exit_code = 2


class BacklogFull(MentiongraphError):
    """Too much is waiting to be counted."""

    code = "backlog-full"
    status: int = 429
    exit_code = 5


class TooManyListeners(MentiongraphError):
    """Too many are listening already."""

    code = "too-many-listeners"
    status: int = 503
    exit_code = 5


class TooManyExports(MentiongraphError):
    """As many exports are running as may at once."""

    code = "too-many-exports"
    status: int = 503
    exit_code = 5


class BadRequest(MentiongraphError):
    """The request cannot be understood."""

    code = "bad-request"
    status: int = 400
    exit_code = 2


class CrossSite(MentiongraphError):
    """The request comes from another site's page."""

    code = "cross-site"
    status: int = 403
    exit_code = 2


class DatabaseUnavailable(MentiongraphError):
    """PostgreSQL cannot be reached."""

    code = "database-unavailable"
    status: int = 503
    exit_code = 5


class TookTooLong(MentiongraphError):
    """The statement took longer than it may."""

    code = "took-too-long"
    status: int = 503
    exit_code = 5


class NotMigrated(MentiongraphError):
    """The database does not have the schema this version needs."""

    code = "not-migrated"
    status: int = 503
    exit_code = 5


class SchemaTooNew(MentiongraphError):
    """The database's schema is newer than this version can work with."""

    code = "schema-too-new"
    status: int = 503
    exit_code = 5


class BadSetting(MentiongraphError):
    """A setting has a value that cannot be used."""

    code = "bad-setting"
    exit_code = 2


class ServerFailed(MentiongraphError):
    """A server or process that this command needs did not come up."""

    code = "server-failed"
    exit_code = 6
