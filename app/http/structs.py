"""Answers made from what the domain knows: field by field, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)


def struct_of(kind: type[S], source: object, /, **more: object) -> S:
    """A struct of this kind: `more` gives some of its fields, and `source` has the others under the same names."""
    names, get = _fields(kind, tuple(more))
    return kind(**dict(zip(names, get(source), strict=True)), **more)


@cache
def _fields(kind: type[msgspec.Struct], given: tuple[str, ...]) -> tuple[tuple[str, ...], Callable[[object], Any]]:
    names = tuple(name for name in kind.__struct_fields__ if name not in given)
    if len(names) < 2:  # noqa: PLR2004 (attrgetter returns no tuple for one name)
        return names, lambda source: tuple(getattr(source, name) for name in names)
    return names, attrgetter(*names)
