"""The function by which every weight is read, against the rule, far beyond the ages that graphs have."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

WEIGHED_AT = datetime(2026, 1, 1, tzinfo=UTC)
HALF_LIFE = timedelta(hours=1)

half_lives = st.integers(-100_000, 100_000).map(lambda tenths: tenths / 10)
weights = st.floats(-1000, 60).map(lambda exponent: 2.0**exponent)
tries = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)


def effective(conn: psycopg.Connection[Any], weight: float, weighed: float, asked: float) -> float:
    """A weight at an instant, both instants in half-lives from WEIGHED_AT on."""
    instants = [WEIGHED_AT + each * HALF_LIFE for each in (weighed, asked)]
    found = conn.execute(
        "select effective_weight(%s, %s, %s, %s)", [weight, *instants, HALF_LIFE.total_seconds()]
    ).fetchone()
    assert found
    return float(found[0])


def by_the_rule(weight: float, age: float) -> float:
    """weight * 2 ** -age, where a double holds it: at most 1e250, and 0 below 1e-250."""
    exponent = math.log2(weight) - age
    if abs(exponent) > 1000:
        return 1e250 if exponent > 0 else 0.0
    answer = 2.0**exponent
    return 0.0 if answer < 1e-250 else min(1e250, answer)


@given(weight=weights, age=half_lives)
@tries
def test_a_weight_halves_with_each_half_life(conn: psycopg.Connection[Any], weight: float, age: float) -> None:
    assert effective(conn, weight, 0, age) == pytest.approx(by_the_rule(weight, age), rel=1e-9, abs=2e-250)


@given(weight=weights, age=half_lives.filter(lambda age: age >= 0), asked=half_lives)
@tries
def test_a_weight_that_was_written_down_is_the_same_at_every_instant(
    conn: psycopg.Connection[Any], weight: float, age: float, asked: float
) -> None:
    written_down = effective(conn, weight, 0, age)
    if written_down > 1e-230:  # nearer to the bound a double loses digits
        assert effective(conn, written_down, age, asked) == pytest.approx(
            effective(conn, weight, 0, asked), rel=1e-9, abs=2e-250
        )


@pytest.mark.parametrize("weight", [1.0, 3.0, 0.1, 1e18, 1e-21, 1e-200])
def test_at_its_own_instant_a_weight_is_itself(conn: psycopg.Connection[Any], weight: float) -> None:
    assert effective(conn, weight, 0, 0) == pytest.approx(weight, rel=1e-15 if weight > 1e-21 else 1e-12, abs=0)


@pytest.mark.parametrize("weight", [1.0, 1e18, 1e-100])
def test_in_the_end_nothing_is_left(conn: psycopg.Connection[Any], weight: float) -> None:
    """And nothing is too small for PostgreSQL on the way there."""
    ages = [400, 700, 829, 830.4, 831, 1100, 60_000_000]
    left = [effective(conn, weight, 0, age) for age in ages]

    assert left == sorted(left, reverse=True)
    assert [each > 0 for each in left] == [by_the_rule(weight, age) > 0 for age in ages]


@pytest.mark.parametrize("weight", [0.0, math.ulp(0.0), 9e-251])
def test_what_is_next_to_nothing_is_nothing_from_its_instant_on(conn: psycopg.Connection[Any], weight: float) -> None:
    assert [effective(conn, weight, 0, age) for age in (0, 400, 70_000)] == [0.0] * 3


@pytest.mark.parametrize("age", [-400, 0, 400])
def test_a_weight_to_be_taken_out_is_the_opposite_of_one_to_be_added(conn: psycopg.Connection[Any], age: int) -> None:
    """`rebuild` adds both kinds to its shadow."""
    assert effective(conn, -1.5, 0, age) == -effective(conn, 1.5, 0, age) != 0


def test_no_weight_is_an_error_at_any_instant(conn: psycopg.Connection[Any]) -> None:
    weights = [0.0, math.ulp(0.0), 1e-308, 1e-200, 9.9e-22, 1.1e-21, 1.0, 2.0**63]
    ages = [-15_000_000, -1100, -951, -949, 0, 949, 951, 1100, 15_000_000]

    found = [effective(conn, weight, 0, age) for weight in weights for age in ages]

    assert all(0 <= each <= 1e250 for each in found)
