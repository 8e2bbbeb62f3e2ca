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


def died(conn: Connection, pid: int, *, started: float, seen: float, host: str = "host", role: str = "worker") -> None:
    """Enter a process that started, and was last heard of, so many seconds ago."""
    conn.execute(
        """
        INSERT INTO processes (host, pid, born, role, started_at, seen_at, acted_at)
        VALUES (%(host)s, %(pid)s, 1, %(role)s, now() - %(started)s * interval '1 s', now() - %(seen)s * interval '1 s',
                now() - %(seen)s * interval '1 s')
        """,
        {"host": host, "pid": pid, "role": role, "started": started, "seen": seen},
    )


LONG = fleet.REPLACED + 100
LATELY = fleet.REPLACED - 100


def listed(conn: Connection) -> set[int]:
    return {each.pid for each in fleet.seen(conn)}


def test_a_dead_process_that_was_replaced_is_listed_for_a_while_only(conn: Connection) -> None:
    died(conn, 1, started=9000, seen=LONG)
    assert listed(conn) == {1}, "nothing has replaced it"
    died(conn, 2, started=LONG + 10, seen=1)
    assert listed(conn) == {1, 2}, "one that ran beside it is no successor"
    died(conn, 3, started=LONG - 10, seen=1, host="elsewhere")
    died(conn, 4, started=LONG - 10, seen=1, role="scheduler")
    assert listed(conn) == {1, 2, 3, 4}, "nor is one of another host or role"
    died(conn, 5, started=LONG - 10, seen=1)
    assert listed(conn) == {2, 3, 4, 5}
    conn.execute("UPDATE processes SET seen_at = now() - %s * interval '1 s' WHERE pid = 1", [LATELY])
    conn.execute("UPDATE processes SET started_at = now() WHERE pid = 5")
    assert listed(conn) == {1, 2, 3, 4, 5}, "a crash is seen for some minutes"


def test_a_process_takes_the_place_of_one_dead_process_only(conn: Connection) -> None:
    for pid in (1, 2, 3):
        died(conn, pid, started=9000, seen=LONG + pid)
    died(conn, 4, started=LONG - 10, seen=1)
    died(conn, 5, started=LONG - 10, seen=1)
    assert len(listed(conn) & {1, 2, 3}) == 1


def test_processes_that_died_one_after_the_other_leave_the_list(conn: Connection) -> None:
    for pid in range(1, 5):
        died(conn, pid, started=9000 - 1000 * pid, seen=9000 - 1000 * pid - 990)
    died(conn, 5, started=3000, seen=1)
    assert listed(conn) == {5}
