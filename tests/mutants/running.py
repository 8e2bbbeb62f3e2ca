"""Collects the tests once, and then runs each mutant in a forked process.

A fork begins with everything imported and collected. So a mutant costs only the tests that run it.
"""

from __future__ import annotations

import os
import select
import signal
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, NamedTuple, NoReturn

import hypothesis
import psycopg
import pytest
from _pytest.runner import runtestprotocol
from psycopg.sql import SQL, Identifier

from tests.conftest import SERVERS, Addresses, make_template
from tests.mutants import recording
from tests.mutants.mutant import Mutant
from tests.mutants.results import Outcome, Results
from tests.mutants.substituting import Functions, loaded_functions, substitute

PATIENCE = 20.0
"""Seconds that a test may take besides ten times what it took unmutated, until it counts as hanging."""

RECORDING = 900.0
"""Seconds that the recording of one file of tests may take."""


PASSED, FAILED, DONE = b".", b"-", b"+"

Fate = Literal["done", "failed", "hung"]


class Plan(NamedTuple):
    """What `make mutants` was asked for. `budget` bounds the recorded seconds of tests for each mutant."""

    mutants: list[Mutant]
    results: Results
    budget: float
    outcomes: list[tuple[Mutant, Outcome]]
    say: Callable[[str], None]


class Runner:
    """The plugin of pytest that runs mutants in place of tests."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def pytest_sessionstart(self) -> None:
        # What a mutant fails with must not be kept for later runs, and a mutant must fare the same each time. Ten
        # examples do, because facts notice most mutants, and many mutants are tried.
        hypothesis.settings.register_profile(
            "mutants", hypothesis.settings(), max_examples=10, database=None, derandomize=True
        )
        hypothesis.settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} errors during collection")
        addresses = session.config.stash[SERVERS].addresses()
        forked(lambda _: print(make_template(addresses)), [RECORDING])
        tests = self._recorded(session.items)
        items = {item.nodeid: item for item in session.items}
        functions = loaded_functions()
        for number, mutant in enumerate(self.plan.mutants, start=1):
            chosen = self._chosen(mutant, tests)
            outcome = self.plan.results.known(mutant, chosen)
            if outcome is None:
                outcome = _tried(mutant, chosen, items, tests, functions)
                _drop_databases(addresses)
                self.plan.results.keep(mutant, outcome, chosen)
            self.plan.outcomes.append((mutant, outcome))
            self.plan.say(f"{number}/{len(self.plan.mutants)} {outcome}: {mutant}")
        return True

    def _recorded(self, items: list[pytest.Item]) -> recording.Recorded:
        by_file = defaultdict[str, list[pytest.Item]](list)
        for item in items:
            by_file[item.nodeid.partition("::")[0]].append(item)
        code = recording.code_digest()
        tests: recording.Recorded = {}
        for number, (file, its_items) in enumerate(sorted(by_file.items()), start=1):
            found = recording.recorded(file, code)
            if found is None:
                began = time.monotonic()
                forked(lambda _, file=file, its=its_items: recording.record(file, its, code), [RECORDING])
                found = recording.recorded(file, code) or {}
                took = time.monotonic() - began
                count = f"{len(found)} of {len(its_items)} tests"
                self.plan.say(f"recorded {number}/{len(by_file)} {file}: {count}, {took:.0f} s")
            tests |= found
        return {nodeid: test for nodeid, test in tests.items() if nodeid in {item.nodeid for item in items}}

    def _chosen(self, mutant: Mutant, tests: recording.Recorded) -> list[str]:
        """Returns the mutant's tests, as many as the budget allows.

        First come the tests that name the statement, and those that noticed another mutant of the same file.
        """
        chosen = recording.tests_touching(mutant, tests)
        killers = self.plan.results.killers(mutant.path)
        named = f"[{mutant.statement}]" if mutant.is_statement else "[no statement]"
        chosen.sort(key=lambda nodeid: named not in nodeid and nodeid not in killers)
        spent, within = 0.0, list[str]()
        for nodeid in chosen:
            spent += tests[nodeid]["seconds"]
            if within and spent > self.plan.budget:
                break
            within.append(nodeid)
        return within


def _tried(
    mutant: Mutant, chosen: list[str], items: dict[str, pytest.Item], tests: recording.Recorded, functions: Functions
) -> Outcome:
    if not chosen:
        return Outcome("unreached")

    def run(tell: Callable[[bytes], None]) -> None:
        substitute(mutant, functions)
        for nodeid, next_nodeid in zip(chosen, [*chosen[1:], None], strict=True):
            following = items[next_nodeid] if next_nodeid else None
            reports = runtestprotocol(items[nodeid], nextitem=following, log=False)
            tell(FAILED if any(report.failed for report in reports) else PASSED)

    fate, passed = forked(run, [PATIENCE + 10 * tests[nodeid]["seconds"] for nodeid in chosen])
    if fate == "done":
        return Outcome("survived", tests=len(chosen))
    return Outcome("killed" if fate == "failed" else "hung", chosen[min(passed, len(chosen) - 1)], passed + 1)


def forked(work: Callable[[Callable[[bytes], None]], None], patience: list[float]) -> tuple[Fate, int]:
    """Run `work` in a process of its own, which tells of each step that passed, and of the first that failed.

    Returns how the process ended, and how many steps had passed. `patience` has the seconds that each step may take. A
    process that is slower is killed, with all that it started.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        _work_and_exit(work, writer)
    os.close(writer)
    passed = 0
    try:
        while True:
            ready, _, _ = select.select([reader], [], [], patience[min(passed, len(patience) - 1)])
            told = os.read(reader, 1) if ready else None
            if told == PASSED:
                passed += 1
                continue
            fates: dict[bytes | None, Fate] = {DONE: "done", None: "hung"}
            return fates.get(told, "failed"), passed
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _work_and_exit(work: Callable[[Callable[[bytes], None]], None], writer: int) -> NoReturn:
    def tell(step: bytes) -> None:
        os.write(writer, step)
        if step != PASSED:
            os._exit(0)

    try:
        os.setsid()
        recording.FOLDER.mkdir(parents=True, exist_ok=True)
        log = os.open(recording.FOLDER / "child.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        work(tell)
        tell(DONE)
    except BaseException:  # noqa: BLE001  # whatever it is, this process must not go on as pytest
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(1)


def _drop_databases(addresses: Addresses) -> None:
    """Drop the databases that killed tests left."""
    with psycopg.connect(addresses.postgres, autocommit=True) as conn:
        left = conn.execute("SELECT datname FROM pg_database WHERE starts_with(datname, 'test_')").fetchall()
        for (name,) in left:
            conn.execute(SQL("DROP DATABASE IF EXISTS {name} WITH (FORCE)").format(name=Identifier(name)))
