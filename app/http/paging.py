"""Pages of a list, and the path of the one that follows."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from urllib.parse import urlencode

from litestar.params import QueryParameter

MAX_LIMIT = 500

MAX_NUMBER = 2**53 - 1
"""The highest number that every reader of JSON takes exactly; no line, batch or event will have it."""

Limit: TypeAlias = Annotated[int, QueryParameter(description="How many at most.", ge=1, le=MAX_LIMIT)]


def next_page(path: str, **query: object) -> str:
    """The path with those of the query that are set."""
    return f"{path}?{urlencode({name: str(value) for name, value in query.items() if value is not None})}"
