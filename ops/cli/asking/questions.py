"""What the commands of this room share: questions to the API, users who are not there, and three ways to print."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import reduce
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import click

from app.errors import BadRequest, NotFound
from ops.cli import options
from ops.cli.client import ApiProblem, Client, Patience
from ops.cli.console import say, when
from ops.cli.export import Instant

Answer = dict[str, Any]
"""A JSON object that the API answered."""
PAGE = 500
"""Entries that the API puts on a page, at most."""
LONGEST_PREFIX = 100
"""Characters of a handle that similar handles may begin with."""
OFFERED = 10
"""Users that a failure offers in place of a user who is not there."""

handle = click.argument("handle", metavar="HANDLE", required=False)
source = click.argument("source", metavar="SOURCE")
target = click.argument("target", metavar="TARGET")
as_of = click.option(
    "--as-of", type=Instant(), help="Instant of the effective weights, not before the last mention. Default: now."
)
archived = click.option(
    "--archived/--no-archived",
    default=None,
    help="Include archived edges, or leave them out. Default: include those archived later than --as-of.",
)
_PRINTING = (
    click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with a header line."),
    options.as_json,
    options.api,
    options.data,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that no prefix has."""


def printing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say whom to ask, and how to print the answer."""
    return reduce(lambda made, option: option(made), reversed(_PRINTING), command)


def require_one_format(*, as_csv: bool, json: bool) -> None:
    """Raises BadRequest if somebody wants CSV and JSON."""
    if as_csv and json:
        raise BadRequest("give one of --csv and --json.")


def ask(client: Client, path: str, params: Mapping[str, object] | None = None) -> Answer:
    """Returns the API's answer to a question. A parameter that is None or false is left out.

    The function waits where a limit of the owner is reached.
    """
    given = {name: written for name, value in (params or {}).items() if (written := _written(name, value)) is not None}
    patience = Patience()
    while True:
        try:
            return client.get(path, dict, **given)
        except ApiProblem as problem:
            if not patience.waited(problem):
                raise


def _written(name: str, value: object) -> str | None:
    """A parameter as the API takes it. `archived=false` is another answer than no parameter."""
    if value is None or (value is False and name != "archived"):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def pages(
    client: Client, path: str, name: str, limit: int, params: Mapping[str, object] | None = None
) -> Iterator[Answer]:
    """Yields the pages of a list, until they have `limit` entries under `name`."""
    more: dict[str, object] = dict(params or {})
    while limit > 0:
        answer = ask(client, path, {**more, "limit": min(PAGE, limit)})
        yield answer
        if answer["next"] is None:
            return
        limit -= len(answer[name])
        more = {key: values[0] for key, values in parse_qs(urlsplit(answer["next"]).query).items()}


def entries(
    client: Client, path: str, name: str, limit: int, params: Mapping[str, object] | None = None
) -> list[Answer]:
    """Returns the first `limit` entries of a list, which has them under `name`."""
    return [each for page in pages(client, path, name, limit, params) for each in page[name]]


def path_of(user: str) -> str:
    """Path of a user. The handle may have any spelling."""
    # A client removes the segments `.` and `..` from a path. With an `@`, they mean the same users.
    return f"/users/{quote(f'@{user}' if user in {'', '.', '..'} else user, safe='')}"


@contextmanager
def about(client: Client, *handles: str) -> Generator[None]:
    """Around a question about users: a problem that a user is not there says where the command looked, and offers users
    with similar handles. Raises NotFound."""
    try:
        yield
    except ApiProblem as problem:
        if problem.code != NotFound.code:
            raise
        for each in handles:
            if (unknown := _unknown(client, each)) is not None:
                raise NotFound(f"{unknown.detail} {_searched(client, each)}") from problem
        raise


def _unknown(client: Client, user: str) -> ApiProblem | None:
    """The API's problem, if nobody has this handle."""
    try:
        ask(client, f"{path_of(user)}/days", {"days": 1})
    except ApiProblem as problem:
        if problem.code == NotFound.code:
            return problem
        raise
    return None


def _searched(client: Client, user: str) -> str:
    """Where the command looked for a user, and which handles begin in the same way."""
    from app.posts.handles import fold  # noqa: PLC0415 (imports polars, which most commands do without)

    folded = _CONTROL.split(fold(user))[0][:LONGEST_PREFIX]
    where = f"The command searched the graph {options.graph()!r} for the handle in lower case, without '@'."
    beginnings = dict.fromkeys(folded[:length] for length in (len(folded), len(folded) - 1, len(folded) // 2, 1))
    for prefix in filter(None, beginnings):
        if found := ask(client, "/users", {"prefix": prefix, "limit": OFFERED})["users"]:
            return f"{where} Handles that begin with {prefix!r}: {', '.join(each['handle'] for each in found)}."
    return f"{where} No handle begins in the same way."


def rows(columns: Sequence[str], found: Iterable[Answer]) -> list[list[object]]:
    """The fields of each entry, in the order of the columns."""
    return [[each.get(name) for name in columns] for each in found]


def weight(value: float | None) -> str:
    """A weight for people, with four digits, or a dash if the weight is not known yet."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if 1_000 <= value < 1e15 else f"{value:.4g}"  # noqa: PLR2004 (where digits get too many)


def at(instant: str | None) -> str:
    """An instant of an answer for people."""
    return when(None if instant is None else datetime.fromisoformat(instant))


def say_stale(answer: Answer) -> None:
    """Say on standard error since when the answer lacks mentions, if it lacks some."""
    if since := answer["stale_since"]:
        say(f"The answer lacks mentions that were merged since {at(since)}. Ask again in a moment.", err=True)
