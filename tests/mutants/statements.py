"""Mutants of SQL statements, parsed by sqlfluff.

A guard is an operand of AND or OR, or a condition without either: of WHERE, ON, HAVING, FILTER, WHEN and ON CONFLICT.
Each guard is taken away once: an operand of OR becomes FALSE, any other guard becomes TRUE. In guards, each instant is
replaced by the table's other instants. The locking clause is taken away, and SKIP LOCKED by itself.

Statements that change nothing and lock nothing have no mutants.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache

from sqlfluff.core import FluffConfig, Linter
from sqlfluff.core.parser.segments.base import BaseSegment

from tests.mutants.mutant import ROOT, Mutant, files, made, text_of

WINGS = ("control", "forgetting", "graph", "ledger", "store", "summaries", "traces")

CHANGING = ("insert_statement", "update_statement", "delete_statement", "merge_statement", "for_clause")
INTRODUCING = {"WHERE", "ON", "HAVING", "WHEN"}
INSTANT = "timestamptz"

UNREAD = re.compile(r"^.*-- noqa: PRS$", re.MULTILINE)
"""A line that sqlfluff cannot read: OFFSET without ORDER BY, and UNGUARDED statements."""

UNGUARDED = re.compile(r"^(COPY\s[^;]*\sFROM STDIN|VACUUM)\s", re.MULTILINE)
"""Statements that have no guard at all, and that sqlfluff cannot read."""


def paths() -> list[str]:
    return files(*(f"sql/{wing}/**/*.sql" for wing in WINGS))


def mutants_of(path: str) -> Iterator[Mutant]:
    """Yields the mutants of a statement's file."""
    text = text_of(path)
    if UNGUARDED.search(text):
        return
    tree = _parsed(UNREAD.sub(lambda line: " " * len(line.group()), text))
    if next(tree.recursive_crawl(*CHANGING), None) is None:
        return
    for guard, neutral in _guards(tree):
        start, end = _span(guard)
        yield made(path, "", start, end, neutral)
    yield from _other_instants(path, tree)
    for clause in tree.recursive_crawl("for_clause"):
        start, end = _span([clause])
        yield made(path, "", start, end, "")
        if clause.raw.upper().endswith("SKIP LOCKED"):
            yield made(path, "", end - len("SKIP LOCKED"), end, "")


def _parsed(text: str) -> BaseSegment:
    tree = _linter().parse_string(text).tree
    assert tree is not None
    assert next(tree.recursive_crawl("unparsable"), None) is None, text
    return tree


@cache
def _linter() -> Linter:
    return Linter(config=FluffConfig.from_path(str(ROOT)))


Operand = list[BaseSegment]


def _guards(tree: BaseSegment) -> Iterator[tuple[Operand, str]]:
    """Yields each guard with what it becomes."""
    for segment in tree.recursive_crawl_all():
        operands = list(_operands(segment))
        yield from operands
        code = [each for each in segment.segments if each.is_code]
        for word, condition in itertools.pairwise(code):
            if word.raw.upper() in INTRODUCING and word.is_type("keyword") and condition.is_type("expression"):
                alone = next(_operands(condition), None) is None
                if alone and not condition.segments[0].is_type("literal"):  # WHEN 'value' compares, and is no condition
                    yield [condition], "TRUE"


def _operands(expression: BaseSegment) -> Iterator[tuple[Operand, str]]:
    """Yields the operands of OR, and those of each AND, which binds closer."""
    code = [each for each in expression.segments if each.is_code]
    alternatives = _split(code, "OR")
    for alternative in alternatives:
        conjuncts = _split(alternative, "AND")
        if len(alternatives) > 1:
            yield alternative, "FALSE"
        if len(conjuncts) > 1:
            yield from ((conjunct, "TRUE") for conjunct in conjuncts)


def _split(code: Operand, operator: str) -> list[Operand]:
    parts: list[Operand] = [[]]
    for segment in code:
        if segment.is_type("binary_operator") and segment.raw.upper() == operator:
            parts.append([])
        else:
            parts[-1].append(segment)
    return parts


def _span(segments: Operand) -> tuple[int, int]:
    first, last = segments[0].pos_marker, segments[-1].pos_marker
    assert first is not None
    assert last is not None
    return first.source_slice.start, last.source_slice.stop


def _other_instants(path: str, tree: BaseSegment) -> Iterator[Mutant]:
    """Yields the guards' instants, each replaced by each other instant of its table."""
    tables = _tables(tree)
    seen = set[tuple[int, int]]()
    for guard, _ in _guards(tree):
        for column in (each for each in guard if each.is_type("column_reference")):
            span = _span([column])
            *alias, name = column.raw.split(".")
            mine = [tables.get(alias[0], "")] if alias else sorted(set(tables.values()))
            others = {other for table in mine if name in instants().get(table, ()) for other in instants()[table]}
            if span not in seen:
                seen.add(span)
                for other in sorted(others - {name}):
                    yield made(path, "", *span, ".".join([*alias, other]))


def _tables(tree: BaseSegment) -> dict[str, str]:
    """Returns the tables of a statement, by the name that the statement gives them."""
    references = [reference.raw for reference in tree.recursive_crawl("table_reference")]
    found = {reference: reference for reference in references}
    for segment in tree.recursive_crawl_all():
        code = [each for each in segment.segments if each.is_code]
        for table, alias in itertools.pairwise(code):
            if table.is_type("table_reference", "table_expression") and alias.is_type("alias_expression"):
                found[alias.raw.split()[1]] = table.raw
    return found | {"excluded": references[0]}


@cache
def instants() -> dict[str, tuple[str, ...]]:
    """Returns the columns of each table that hold an instant."""
    found = dict[str, tuple[str, ...]]()
    for table in _parsed(text_of("sql/schema.sql")).recursive_crawl("create_table_statement"):
        name = next(iter(table.recursive_crawl("table_reference"))).raw
        columns = [column.raw.split() for column in table.recursive_crawl("column_definition")]
        found[name] = tuple(column[0] for column in columns if column[1].upper() == INSTANT.upper())
    return found
