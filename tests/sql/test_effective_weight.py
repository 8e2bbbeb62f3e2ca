"""The function by which every weight is read, against the rule, far beyond the ages that graphs have."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

WEIGHED_AT = datetime(2026, 1, 1, tzinfo=UTC)
HALF_LIFE = timedelta(hours=1)

AGES = [0, 0.5, 1, 52, 299.9, 300, 301, 400, 540]
"""In half-lives."""


def effective(conn: psycopg.Connection[Any], weight: float, age: float) -> float:
    asked = [weight, WEIGHED_AT, WEIGHED_AT + age * HALF_LIFE, HALF_LIFE.total_seconds()]
    found = conn.execute("select effective_weight(%s, %s, %s, %s)", asked).fetchone()
    assert found
    return float(found[0])


@pytest.mark.parametrize("weight", [1.0, 1e18, 1e-100])
def test_a_weight_halves_with_each_half_life(conn: psycopg.Connection[Any], weight: float) -> None:
    for age in AGES:
        assert effective(conn, weight, age) == pytest.approx(weight * 2**-age, rel=1e-9, abs=0)
        assert effective(conn, weight, -age) == pytest.approx(weight * 2 ** min(age, 300), rel=1e-9, abs=0)


@pytest.mark.parametrize("weight", [1.0, 1e18, 1e-100])
def test_in_the_end_nothing_is_left(conn: psycopg.Connection[Any], weight: float) -> None:
    """And nothing is too small for PostgreSQL on the way there."""
    instant = timedelta(microseconds=1) / HALF_LIFE
    ages = [546, 590, 599, 600 - instant, 600, 601, 1100, 60_000_000]
    left = [effective(conn, weight, age) for age in ages]

    assert left == sorted(left, reverse=True)
    assert [each > 0 for each in left] == [age < 600 for age in ages]


@pytest.mark.parametrize("weight", [0.0, 9e-101, math.ulp(0.0)])
def test_what_is_next_to_nothing_is_nothing(conn: psycopg.Connection[Any], weight: float) -> None:
    assert [effective(conn, weight, age) for age in (-400, 0, 400, 700)] == [0.0] * 4
