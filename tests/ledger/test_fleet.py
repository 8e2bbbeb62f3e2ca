"""The start time of a process tells it from another one that later has its number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.ledger import fleet
from app.ledger.fleet import Me, Role
from app.store.postgres import Connection, scalars

ROOT = Path(__file__).parents[2]
ASKED_BY_ANOTHER = """
import sys
from pathlib import Path
from app.ledger import fleet
fleet.PROC = Path(sys.argv[2])
print(fleet.born(int(sys.argv[1])))
"""


@pytest.mark.parametrize("proc", ["/proc", "/nowhere"])
def test_every_process_of_a_host_sees_the_same_start(proc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "PROC", Path(proc))
    ours = fleet.born(os.getpid())
    argv = [sys.executable, "-c", ASKED_BY_ANOTHER, str(os.getpid()), proc]
    other = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert int(other.stdout) == ours == fleet.born(os.getpid())
    assert fleet.born(os.getppid()) not in {None, ours}


@pytest.mark.parametrize("proc", ["/proc", "/nowhere"])
def test_a_process_that_is_gone_has_no_start(proc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "PROC", Path(proc))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert fleet.born(gone.pid) is None


def heard_of(conn: Connection) -> list[tuple[str, int, int]]:
    return conn.execute("SELECT host, pid, born FROM processes ORDER BY host, pid, born").fetchall()


def add(conn: Connection, processes: list[tuple[str, int, int]], *, seen: str = "1 s", others: str = "1 s") -> None:
    """Enter processes that were seen so long ago, and that started and asked their queues as long as `others` ago."""
    for host, pid, born in processes:
        conn.execute(
            """
            INSERT INTO processes (host, pid, born, role, seen_at, started_at, acted_at)
            SELECT %s, %s, %s, 'worker', now() - %s::interval, now() - other, now() - other
            FROM (SELECT %s::interval AS other) AS since
            """,
            [host, pid, born, seen, others],
        )


def test_a_process_that_ends_takes_only_itself_off_the_list(conn: Connection) -> None:
    me = Me(Role.WORKER)
    me.heartbeat(conn, idle=0)
    [(host, pid, born)] = heard_of(conn)
    others = sorted([("elsewhere", pid, born), (host, pid + 1, born), (host, pid, born + 1)])
    add(conn, others)

    me.leave(conn)

    assert heard_of(conn) == others


def test_only_what_was_not_seen_for_long_is_forgotten(conn: Connection) -> None:
    add(conn, [("host", 1, 1)], seen=f"{fleet.REMEMBERED + 60} s")
    add(conn, [("host", 2, 1)], others=f"{fleet.REMEMBERED + 60} s")

    assert fleet.forget(conn) == 1
    assert scalars(conn, "SELECT pid FROM processes") == [2]
