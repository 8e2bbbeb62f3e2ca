"""Answers made from what the domain knows: field by field, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

_Fields = Callable[[Any], tuple[Any, ...]]


def struct_of(kind: type[S], source: object, /, **more: object) -> S:
    """A struct of this kind: `more` gives some of its fields, and `source` has the others under the same names.

    Not for kinds with keyword-only fields.
    """
    read, arrange = _fields(kind, tuple(more))
    return kind(*arrange((*read(source), *more.values())))


@cache
def _fields(kind: type[msgspec.Struct], given: tuple[str, ...]) -> tuple[_Fields, _Fields]:
    """What reads the fields that are not given, and what puts these and then the given ones into the struct's order."""
    fields = kind.__struct_fields__
    if unknown := set(given).difference(fields):
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    found = [name for name in fields if name not in given]
    order = [[*found, *given].index(name) for name in fields]
    return _several(attrgetter, found), _several(itemgetter, order)


def _several(getter: Callable[..., Any], keys: list[Any]) -> _Fields:
    # With one key, a getter returns no tuple.
    return getter(*keys) if len(keys) > 1 else lambda source: tuple(getter(key)(source) for key in keys)
