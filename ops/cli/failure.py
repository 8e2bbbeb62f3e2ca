"""From an exception to one line and an exit code: the one place that knows both."""

from __future__ import annotations

import click
import httpx
import psycopg
import redis

from app.errors import BadSetting, DatabaseUnavailable, MentiongraphError


class Failure(click.ClickException):
    """An expected failure, shown without a traceback."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # pyright: ignore[reportAttributeAccessIssue] (click reads the instance's)

    def show(self, file: object = None) -> None:  # noqa: ARG002 (click's signature)
        click.echo(f"{click.style('error:', fg='red', bold=True)} {self.message}", err=True)


def failure(error: Exception) -> Failure | None:
    """How to show an error that a user can meet; None for one that is ours."""
    named = _named(error)
    if named is not None:
        detail = one_line(named) if isinstance(named, DatabaseUnavailable) else named.detail
        return Failure(f"{named.title}: {detail}", named.exit_code)
    match error:
        case redis.ConnectionError() | redis.TimeoutError():
            return Failure(f"Redis cannot be reached: {one_line(error)}", 5)
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return Failure(f"--api: {one_line(error)}", 2)
        case httpx.TransportError():
            return Failure(f"The API cannot be reached: {one_line(error)}", 5)
        case OSError() if error.filename is not None:
            return Failure(f"{error.filename}: {error.strerror}", 1)
        case _:
            return None


def _named(error: Exception) -> MentiongraphError | None:
    """As one of our own errors."""
    match error:
        case MentiongraphError():
            return error
        case psycopg.OperationalError():  # a pool's time-out is one, too
            return DatabaseUnavailable(one_line(error))
        case psycopg.ProgrammingError() if error.sqlstate is None:
            # libpq could not make sense of the connection string.
            return BadSetting(f"MENTIONGRAPH_DATABASE_URL: {one_line(error)}")
        case _:
            return None


def one_line(error: BaseException) -> str:
    """The error's message without its line breaks; its class where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
