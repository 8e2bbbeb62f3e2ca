"""A failure that has a name: what a user is told of it, and where."""

from __future__ import annotations

import inspect
from enum import StrEnum
from typing import ClassVar, NamedTuple
from uuid import UUID

import msgspec

from app.visible import visible

PROBLEM_TYPE_PREFIX = "urn:mentiongraph:problem:"
DETAIL_CHARACTERS = 6000
"""Characters of a detail. A longer one lacks its middle, since what to do stands at its end."""
_END_CHARACTERS = 1000


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
    LEDGER = "`error` of an upload, batch or audit"
    CLI = "command line"


def capitalized(detail: str) -> str:
    """The detail as a sentence. Errors have theirs in lower case, since the command line prints them behind a colon."""
    return detail[:1].upper() + detail[1:]


def _shortened(detail: str) -> str:
    if len(detail) <= DETAIL_CHARACTERS:
        return detail
    begin = DETAIL_CHARACTERS - _END_CHARACTERS
    left_out = len(detail) - DETAIL_CHARACTERS
    return f"{detail[:begin]}… ({left_out:,} characters left out) …{detail[-_END_CHARACTERS:]}"


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
        shown = visible(_shortened(detail), keep="\n\t")
        super().__init__(shown)
        self.detail = shown

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
    own = [each for each in error.__subclasses__() if each.__module__.startswith(f"{__package__}.")]
    return [error, *(below for each in own for below in _with_subclasses(each))]
