"""What a caller may do, on which graph, and whose names the caller sees."""

from __future__ import annotations

import pytest

from app.control.callers import Caller, Scope

READS, ADMINS = frozenset({Scope.GRAPH_READ}), frozenset({Scope.ADMIN})


@pytest.mark.parametrize(
    ("caller", "may"),
    [
        (Caller(READS), True),
        (Caller(ADMINS), True),
        (Caller(READS, graphs=frozenset({"team", "other"})), True),
        (Caller(READS, graphs=frozenset({"other"})), False),
        (Caller(ADMINS, graphs=frozenset({"other"})), False),
        (Caller(READS, graphs=frozenset()), False),
        (Caller(frozenset({Scope.GRAPH_EXPORT, Scope.UPLOADS_MANAGE})), False),
        (Caller(frozenset()), False),
    ],
)
def test_a_scope_allows_what_it_says_on_the_graphs_of_the_caller(caller: Caller, *, may: bool) -> None:
    assert caller.may(Scope.GRAPH_READ, "team") is may


@pytest.mark.parametrize(
    ("caller", "uses"),
    [
        (Caller(READS), True),
        (Caller(READS, graphs=frozenset({"team"})), True),
        (Caller(READS, graphs=frozenset({"other"})), False),
        (Caller(frozenset()), False),
    ],
)
def test_a_caller_without_a_scope_uses_no_graph(caller: Caller, *, uses: bool) -> None:
    assert caller.uses("team") is uses


@pytest.mark.parametrize(
    ("scopes", "owner", "asked", "sees"),
    [
        (READS, "ada", "ada", True),
        (READS, "ada", "grace", False),
        (READS, "ada", None, False),
        (READS, None, None, False),
        (frozenset({Scope.UPLOADS_READ}), "ada", "grace", True),
        (ADMINS, None, None, True),
        (frozenset({Scope.UPLOADS_MANAGE}), "ada", "grace", False),
    ],
)
def test_only_its_own_and_with_a_scope_for_all_a_caller_sees_who(
    scopes: frozenset[Scope], owner: str | None, asked: str | None, *, sees: bool
) -> None:
    assert Caller(scopes, owner=owner).sees_who(asked) is sees


@pytest.mark.parametrize(
    ("caller", "shown"),
    [
        (Caller(ADMINS), "worker@host:1"),
        (Caller(frozenset({Scope.METRICS})), "worker@host:1"),
        (Caller(READS), "worker"),
        (Caller(ADMINS, graphs=frozenset({"team"})), "worker"),
    ],
)
def test_who_may_list_the_processes_of_all_graphs_sees_where_one_runs(caller: Caller, shown: str) -> None:
    assert caller.process_shown("worker@host:1") == shown
