"""Mutants of conditions in the pure modules and a few others, parsed by ast.

Each condition of `if`, `elif`, `while`, a conditional expression or a comprehension becomes True, and becomes False.
Each operand of `and` becomes True, and each operand of `or` becomes False. Each `<`, `<=`, `>` and `>=` takes in the
border, or leaves the border out. A `while` never becomes True, since that only hangs.

Code that runs at import has no mutants, because the modules are loaded when a mutant is put in place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.mutants.mutant import Mutant, files, made, text_of

PURE = (
    "app/posts/**/*.py",
    "app/settings/*.py",
    "app/control/callers.py",
    "app/control/tokens.py",
    "app/ledger/states.py",
    *(
        f"app/graph/{name}.py"
        for name in (
            "deltas",
            "delta_days",
            "groups",
            "half_life",
            "kinds",
            "mentions",
            "parameters",
            "profiles",
            "shards",
            "tally",
        )
    ),
)
GUARDING = (
    "app/graph/decay.py",
    "app/http/keyring.py",
    "app/http/quotas.py",
    "app/http/scopes.py",
    "app/store/turns.py",
)
"""Modules that are not pure, but whose conditions keep somebody out, or keep a weight right."""

BORDERS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
}


def paths() -> list[str]:
    return files(*PURE, *GUARDING)


def mutants_of(path: str) -> Iterator[Mutant]:
    """Yields the mutants of a module."""
    places = _Places(path)
    for within, node in _inside_functions(ast.parse(text_of(path))):
        for start, end, after in _changes(node, places):
            yield made(path, within, start, end, after)


class _Places:
    """Where nodes are in the text. `ast` counts columns in bytes."""

    def __init__(self, path: str) -> None:
        self.text = text_of(path)
        self._lines = self.text.splitlines(keepends=True)
        self._begins = [0]
        for line in self._lines:
            self._begins.append(self._begins[-1] + len(line))

    def at(self, line: int | None, column: int | None) -> int:
        assert line is not None
        return self._begins[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def of(self, node: ast.expr) -> tuple[int, int]:
        return self.at(node.lineno, node.col_offset), self.at(node.end_lineno, node.end_col_offset)


def _inside_functions(
    node: ast.AST, names: tuple[str, ...] = (), *, inside: bool = False
) -> Iterator[tuple[str, ast.AST]]:
    """Yields the nodes in bodies of functions, each with the name of its function."""
    for child in ast.iter_child_nodes(node):
        if inside:
            yield ".".join(names), child
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in child.body:
                yield ".".join([*names, child.name]), statement
                yield from _inside_functions(statement, (*names, child.name), inside=True)
        elif isinstance(child, ast.ClassDef):
            yield from _inside_functions(child, (*names, child.name), inside=inside)
        else:
            yield from _inside_functions(child, names, inside=inside)


def _changes(node: ast.AST, places: _Places) -> Iterator[tuple[int, int, str]]:
    tests: list[ast.expr] = []
    match node:
        case ast.If(test=test) | ast.IfExp(test=test):
            tests = [test]
        case ast.comprehension(ifs=ifs):
            tests = ifs
        case ast.While(test=test):
            yield (*places.of(test), "(False)")
        case ast.BoolOp():
            neutral = "(True)" if isinstance(node.op, ast.And) else "(False)"
            for operand in node.values:
                if not isinstance(operand, ast.Constant):  # the last of `value or ""` is no condition
                    yield (*places.of(operand), neutral)
        case ast.Compare():
            yield from _borders(node, places)
        case _:
            pass
    for test in tests:
        yield (*places.of(test), "(True)")
        yield (*places.of(test), "(False)")


def _borders(node: ast.Compare, places: _Places) -> Iterator[tuple[int, int, str]]:
    whole = places.of(node)
    for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
        if type(operator) in BORDERS:
            start, end = places.of(left)[1], places.of(right)[0]
            swapped = places.text[start:end].replace(*BORDERS[type(operator)])
            yield (*whole, places.text[whole[0] : start] + swapped + places.text[end : whole[1]])
