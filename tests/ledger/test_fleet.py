"""The start time of a process tells it from another one that later has its number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.ledger import fleet

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
