"""Finds which tests run which statements, and which lines of the pure modules.

Each file of tests is recorded by itself, in a forked process, and is recorded again once the file or the code has
changed. A test that fails or is skipped is left out, since it could not tell a mutant.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import coverage
import pytest
from _pytest.runner import runtestprotocol

import sql
from tests.mutants import conditions
from tests.mutants.mutant import ROOT, Mutant, digest, files
from tests.mutants.substituting import on_statements

FOLDER = ROOT / "build" / "mutants"

Recorded = dict[str, dict[str, Any]]
"""By test: the seconds that the test took, its statements, and its lines by file."""


def code_digest() -> str:
    """Returns what changes with the code that the tests test, and with the modules whose lines are recorded."""
    code = files("app/**/*.py", "workers/**/*.py", "ops/cli/*.py", "ops/watch/*.py", "sql/**/*.sql")
    return sha256("".join([*map(digest, code), *conditions.paths()]).encode()).hexdigest()[:20]


def place_of(test_file: str) -> Path:
    return FOLDER / "record" / f"{test_file.replace('/', '.')}.json"


def recorded(test_file: str, code: str) -> Recorded | None:
    """Returns what was recorded for a file of tests, or None if that is no longer true."""
    place = place_of(test_file)
    if not place.exists():
        return None
    found = json.loads(place.read_text())
    return found["tests"] if found["code"] == code and found["file"] == digest(test_file) else None


def record(test_file: str, items: list[pytest.Item], code: str) -> None:
    """Run the tests of one file, and write down what they run. The process is of no use afterwards."""
    ran = set[str]()
    on_statements(lambda statement: _noted(statement, ran))
    tracer = coverage.Coverage(
        data_file=None, config_file=False, include=[str(ROOT / path) for path in conditions.paths()]
    )
    tracer.set_option("run:disable_warnings", ["no-data-collected"])
    tracer.start()
    tests: Recorded = {}
    for item, next_item in zip(items, [*items[1:], None], strict=True):
        ran.clear()
        tracer.switch_context(item.nodeid)
        began = time.monotonic()
        reports = runtestprotocol(item, nextitem=next_item, log=False)
        if all(report.passed for report in reports):
            tests[item.nodeid] = {"seconds": round(time.monotonic() - began, 3), "statements": sorted(ran), "lines": {}}
    tracer.stop()
    data = tracer.get_data()
    for path in data.measured_files():
        for line, contexts in data.contexts_by_lineno(path).items():
            for nodeid in contexts:
                if nodeid in tests:
                    tests[nodeid]["lines"].setdefault(Path(path).relative_to(ROOT).as_posix(), []).append(line)
    place = place_of(test_file)
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_suffix(".new")
    unfinished.write_text(json.dumps({"code": code, "file": digest(test_file), "tests": tests}))
    unfinished.rename(place)


def tests_touching(mutant: Mutant, tests: Recorded) -> list[str]:
    """Returns the tests that run the mutated place, the quickest first."""
    lines = set(range(mutant.line, mutant.line + mutant.before.count("\n") + 1))
    touching = [
        nodeid
        for nodeid, test in tests.items()
        if (
            mutant.statement in test["statements"]
            if mutant.is_statement
            else lines & set(test["lines"].get(mutant.path, ()))
        )
    ]
    return sorted(touching, key=lambda nodeid: tests[nodeid]["seconds"])


def _noted(statement: str, ran: set[str]) -> str:
    ran.update(_names_in(statement))
    return statement


@cache
def _names_in(statement: str) -> Iterable[str]:
    return [name for name, text in _texts() if text in statement]


@cache
def _texts() -> list[tuple[str, str]]:
    return [(name, sql.query(name)) for name in sql.names()]
