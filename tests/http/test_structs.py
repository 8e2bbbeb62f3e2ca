"""Structs from other objects, by the names of their fields."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from app.http.structs import struct_of


class Three(msgspec.Struct):
    a: int
    b: int
    c: int = 3


@pytest.mark.parametrize("more", [{}, {"b": 5}, {"c": 5, "a": 6}, {"c": 1, "b": 2, "a": 3}])
def test_what_is_not_given_comes_from_the_field_of_the_same_name(more: dict[str, int]) -> None:
    source = SimpleNamespace(c=30, b=20, a=10, other=0)

    expected = {"a": 10, "b": 20, "c": 30} | more
    assert msgspec.structs.asdict(struct_of(Three, source, **more)) == expected


def test_a_missing_and_an_unknown_field() -> None:
    with pytest.raises(AttributeError, match="c"):
        struct_of(Three, SimpleNamespace(a=1, b=2))
    with pytest.raises(TypeError, match="Three has no field d"):
        struct_of(Three, SimpleNamespace(a=1, b=2, c=3), d=4)
