"""Mutants are the guards and conditions that are there, each is put in place, and no entry of the list is outdated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import _queries as queries

from app.graph.shards import shard_of_id
from app.settings import Settings
from tests.ledger.test_sweeping import sweep
from tests.mutants import conditions, results, statements
from tests.mutants.mutant import Mutant, every, plain, text_of
from tests.mutants.recording import tests_touching as touching
from tests.mutants.running import FAILED, PASSED, forked
from tests.mutants.substituting import loaded_functions, substitute
from tests.uploading import posts_csv, upload

STATEMENTS = {
    "UPDATE uploads SET state = 'aborted' WHERE id = %(id)s::uuid AND (again OR NOT again)": [
        "id = %(id)s::uuid -> TRUE",
        "(again OR NOT again) -> TRUE",
        "again -> FALSE",
        "NOT again -> FALSE",
    ],
    "DELETE FROM deltas AS d WHERE d.part BETWEEN 1 AND 2 AND d.merged_at IS NULL": [
        "d.part BETWEEN 1 AND 2 -> TRUE",
        "d.merged_at -> d.summarized_at",
        "d.merged_at IS NULL -> TRUE",
    ],
    "INSERT INTO post_ids AS p (key) VALUES ('') ON CONFLICT (key) DO UPDATE SET batch_id = 1 WHERE p.batch_id > 2": [
        "p.batch_id > 2 -> TRUE"
    ],
    "UPDATE batches SET state = CASE state WHEN 'counted' THEN 'applied' END": [],
    "UPDATE batches SET state = CASE WHEN attempts > 1 THEN 'failed' END": ["attempts > 1 -> TRUE"],
    "SELECT u.id FROM uploads AS u WHERE u.again FOR UPDATE OF u SKIP LOCKED": [
        "u.again -> TRUE",
        "FOR UPDATE OF u SKIP LOCKED -> nothing",
        "SKIP LOCKED -> nothing",
    ],
    "SELECT id FROM uploads WHERE again": [],
}

CONDITIONS = {
    "if a and not b: pass": [
        "a -> (True)",
        "a and not b -> (False)",
        "a and not b -> (True)",
        "not b -> (True)",
    ],
    "while a <= b: pass": ["a <= b -> (False)", "a <= b -> a < b"],
    "return [a for a in b if a]": ["a -> (False)", "a -> (True)"],
    "return a or ''": ["a -> (False)"],
    "return lambda: 1 if a else 2": ["a -> (False)", "a -> (True)"],
}


def read(mutants: list[Mutant]) -> list[str]:
    return [f"{plain(each.before)} -> {plain(each.after) or 'nothing'}" for each in mutants]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_each_guard_of_a_statement_is_taken_away(statement: str, tmp_path: Path) -> None:
    file = tmp_path / "statement.sql"
    file.write_text(f"-- Locks: none. Rows: none.\n{statement};\n")

    assert read(list(every([str(file)], statements.mutants_of))) == STATEMENTS[statement]


@pytest.mark.parametrize("code", CONDITIONS)
def test_each_condition_of_a_function_is_taken_away(code: str, tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(f"if TYPE_CHECKING: pass\ndef é(a, b, c=1 < 2):\n    {code}\n")

    mutants = list(every([str(file)], conditions.mutants_of))

    assert read(mutants) == CONDITIONS[code]
    assert {mutant.within for mutant in mutants} == {"é"}
    for mutant in mutants:
        compile(mutant.source(), "module.py", "exec")


def test_what_is_taken_away_leaves_the_lines_where_they_are() -> None:
    path = "sql/ledger/idempotency/claim.sql"

    assert {each.source().count("\n") for each in statements.mutants_of(path)} == {text_of(path).count("\n")}


@pytest.fixture
def statements_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (queries.PostgresQuery, queries.PostgresClientQuery, queries.PostgresRawQuery):
        monkeypatch.setattr(kind, "convert", kind.convert)


@pytest.mark.usefixtures("statements_restored")
def test_a_statement_runs_without_its_guard(conn: psycopg.Connection[Any], settings: Settings, now: datetime) -> None:
    upload(settings, posts_csv([("@bob", now, "ada")]), received_at=now)
    [mutant] = (
        each for each in statements.mutants_of("sql/ledger/sweeping/abort_silent.sql") if "state" in each.before
    )
    assert sweep(conn, settings, now).aborted_uploads == 0

    substitute(mutant, {})

    assert sweep(conn, settings, now.replace(year=now.year + 1)).aborted_uploads == 1


def test_a_function_runs_without_its_condition() -> None:
    [mutant] = (
        each
        for each in conditions.mutants_of("app/graph/shards.py")
        if each.within == "shard_of" and plain(each.after) == "(True)"
    )
    before = shard_of_id(-1, 8)

    def compare(tell: Callable[[bytes], None]) -> None:
        substitute(mutant, loaded_functions())
        tell(PASSED if shard_of_id(-1, 8) != before else FAILED)

    assert forked(compare, [30]) == ("done", 1)
    assert shard_of_id(-1, 8) == before


def steps(*told: bytes, seconds: float = 0) -> Callable[[Callable[[bytes], None]], None]:
    def work(tell: Callable[[bytes], None]) -> None:
        for step in told:
            tell(step)
        time.sleep(seconds)

    return work


def crash(_: Callable[[bytes], None]) -> None:
    raise RuntimeError("on purpose")


def test_a_process_says_how_far_it_came() -> None:
    assert forked(steps(PASSED, PASSED), [30, 30]) == ("done", 2)
    assert forked(steps(PASSED, FAILED), [30, 30]) == ("failed", 1)
    assert forked(steps(PASSED, seconds=3600), [30, 0.1]) == ("hung", 1)
    assert forked(crash, [30]) == ("failed", 0)


def test_a_mutant_is_tried_by_the_tests_that_run_it_the_quickest_first() -> None:
    mutant = Mutant("sql/ledger/periods/begin.sql", 9, "", "a", "TRUE", 0, 1)
    other = Mutant("app/posts/given.py", 9, "f", "a", "(True)", 0, 1)
    tests = {
        "slow": {"seconds": 2.0, "statements": ["ledger/periods/begin"], "lines": {}},
        "quick": {"seconds": 1.0, "statements": ["ledger/periods/begin"], "lines": {"app/posts/given.py": [8, 9]}},
        "else": {"seconds": 0.0, "statements": ["ledger/periods/renew"], "lines": {"app/posts/given.py": [8]}},
    }

    assert touching(mutant, tests) == ["quick", "slow"]
    assert touching(other, tests) == ["quick"]


def test_a_result_is_kept_until_what_it_rests_on_changes(tmp_path: Path) -> None:
    mutant, other = list(statements.mutants_of("sql/ledger/sweeping/abort_silent.sql"))[:2]
    test = "tests/ledger/test_sweeping.py::test_one"
    killed, survived = results.Outcome("killed", test, 1), results.Outcome("survived", tests=1)
    first = results.Results(tmp_path / "results")
    first.keep(mutant, killed, [test])
    first.keep(other, survived, [test])

    again = results.Results(tmp_path / "results")

    assert again.known(mutant, [test, "tests/ledger/test_sweeping.py::test_new"]) == killed
    assert again.known(other, [test]) == survived
    assert again.known(other, [test, "tests/ledger/test_sweeping.py::test_new"]) is None
    assert again.killers(mutant.path) == {test}


def listed_mutants() -> Iterator[Mutant]:
    listed = {entry.file for entry in results.harmless()}
    yield from every(sorted(path for path in listed if path.endswith(".sql")), statements.mutants_of)
    yield from every(sorted(path for path in listed if path.endswith(".py")), conditions.mutants_of)


def test_each_entry_of_the_list_is_a_mutant_and_says_why_it_cannot_matter() -> None:
    entries = results.harmless()

    assert results.outdated(entries, listed_mutants()) == []
    assert all(len(entry.why.split()) > 3 for entry in entries)


def test_an_entry_for_what_is_gone_is_found() -> None:
    [gone] = results.harmless(
        """
        [[mutant]]
        file = "sql/ledger/sweeping/abort_silent.sql"
        before = "state = 'gone'"
        after = "TRUE"
        why = "There is no such state."
        """
    )

    assert results.outdated([gone], statements.mutants_of(gone.file)) == [gone]
