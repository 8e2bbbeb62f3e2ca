"""From an exception to a problem document and an exit code: the one place that knows both."""

from __future__ import annotations

import click
import httpx
import psycopg
import redis

from app.errors import PROBLEM_TYPE_PREFIX, BadSetting, DatabaseUnavailable, MentiongraphError, Problem
from ops.cli import options
from ops.cli.saying import say

USAGE = 2
_SERVER_AWAY = 503


class Failure(click.ClickException):
    """An expected failure: one line on standard error, and with --json a problem document on standard output."""

    def __init__(self, problem: Problem, exit_code: int, *, detail: str | None = None) -> None:
        super().__init__(f"{problem.title}: {detail or problem.detail}")
        self.problem = problem
        self.exit_code = exit_code  # pyright: ignore[reportAttributeAccessIssue] (click reads the instance's)

    def show(self, file: object = None) -> None:  # noqa: ARG002 (click's signature)
        say(self.message, err=True, label="error:", colour="red")


def failure(error: Exception) -> Failure | None:
    """How to show an error that a user can meet; None for a fault of this program."""
    named = _named(error)
    if named is not None:
        detail = one_line(named) if isinstance(named, DatabaseUnavailable) else named.detail
        if isinstance(named, DatabaseUnavailable) and (advice := options.advice()):
            detail = f"{detail.rstrip('.')}. {advice}"
            named.detail = detail
        return Failure(named.problem(), named.exit_code, detail=detail)
    match error:
        case redis.ConnectionError() | redis.TimeoutError():
            problem = _problem("redis-unavailable", "Redis cannot be reached", _SERVER_AWAY, error)
            return Failure(problem, DatabaseUnavailable.exit_code)
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return Failure(_problem("bad-request", "--api is no URL that can be used", 400, error), USAGE)
        case httpx.TransportError():
            problem = _problem("api-away", "The API cannot be reached", _SERVER_AWAY, error)
            return Failure(problem, DatabaseUnavailable.exit_code)
        case OSError() if error.filename is not None:
            detail = f"{error.filename}: {error.strerror}"
            return Failure(_problem("file", "A file cannot be used", 500, detail), MentiongraphError.exit_code)
        case _:
            return None


def of_usage(error: click.ClickException) -> Problem:
    """The problem document of a command that was written wrongly."""
    return _problem("usage", "The command was used wrongly", 400, error.format_message())


def of_a_fault(error: Exception) -> Problem:
    """The problem document of an error that nobody expected; its traceback goes to standard error."""
    return _problem("internal-error", "This program failed", 500, f"{type(error).__name__}: {one_line(error)}")


def _problem(code: str, title: str, status: int, detail: str | Exception) -> Problem:
    text = one_line(detail) if isinstance(detail, Exception) else detail
    return Problem(type=PROBLEM_TYPE_PREFIX + code, title=title, status=status, detail=text)


def _named(error: Exception) -> MentiongraphError | None:
    """The error as one of our own."""
    match error:
        case MentiongraphError():
            return error
        case psycopg.OperationalError():  # a pool's time-out is one, too
            return DatabaseUnavailable(one_line(error))
        case psycopg.ProgrammingError() if error.sqlstate is None:
            # libpq does not understand the connection string.
            return BadSetting(f"MENTIONGRAPH_DATABASE_URL: {one_line(error)}")
        case _:
            return None


def one_line(error: BaseException) -> str:
    """The error's message without its line breaks, or the name of its class if the error has no message."""
    return " ".join(str(error).split()) or type(error).__name__
