"""Puts a mutant in place in this process alone. No file changes, so nothing is left behind, whatever is killed."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import psycopg
from psycopg.sql import Composable

import sql
from tests.mutants.mutant import ROOT, Mutant

Functions = dict[str, list[FunctionType]]


def loaded_functions() -> Functions:
    """Returns the functions of all loaded modules by their file. Decorators and closures don't hide a function."""
    found = defaultdict[str, list[FunctionType]](list)
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            found[each.__code__.co_filename].append(each)
    return found


def substitute(mutant: Mutant, functions: Functions) -> None:
    """Let this process run the mutant from now on. `functions` are the loaded ones."""
    if mutant.is_statement:
        there, instead = sql.query(mutant.statement), sql.without_comments(mutant.source())
        on_statements(lambda statement: statement.replace(there, instead))
    else:
        _substitute_code(mutant, functions)


def on_statements(change: Callable[[str], str]) -> None:
    """Let each statement that psycopg is given pass through `change` first."""

    def convert_changed(convert: Callable[..., None]) -> Callable[..., None]:
        def changed(self: Any, query: Any, params: Any) -> None:
            if isinstance(query, Composable):
                query = query.as_string()
            convert(self, change(query) if isinstance(query, str) else query, params)

        return changed

    # Every way to run a statement, sync or async, makes one of these; psycopg has no public place for it.
    queries: Any = psycopg._queries  # pyright: ignore[reportAttributeAccessIssue]
    for kind in (queries.PostgresQuery, queries.PostgresClientQuery, queries.PostgresRawQuery):
        kind.convert = convert_changed(kind.convert)


def _substitute_code(mutant: Mutant, functions: Functions) -> None:
    path = str(ROOT / mutant.path)
    mutated = {_place(code): code for code in _codes(compile(mutant.source(), path, "exec", dont_inherit=True))}
    changed = False
    for function in functions[path]:
        code = mutated.get(_place(function.__code__))
        if code is not None and code != function.__code__:
            function.__code__ = code
            changed = True
    assert changed, f"no loaded function has the condition: {mutant}"


def _place(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
