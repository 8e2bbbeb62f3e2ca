"""A short chaos run, from start to verdict: a dozen faults over the whole cluster, nothing lost, nothing doubled."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import open_directory

ROOT = Path(__file__).parents[2]
SEED = "1048"
"""Whose first twelve faults are of every one of these kinds."""
FAULTS = 12
KINDS = (
    "kill worker's child,kill API,kill PostgreSQL,kill Redis master,kill scheduler,all Redis servers lose their files,"
    "lose answers to COMMIT,stall a process's PostgreSQL,stop worker,kill all Sentinels and master,full disk"
)

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


def test_a_short_run_loses_and_doubles_nothing() -> None:
    with open_directory() as directory:
        run = subprocess.run(
            [
                *(sys.executable, "-m", "ops.chaos", "--seed", SEED, "--faults", str(FAULTS), "--rate", "4000"),
                # A busy machine is slow to restart things; that they come back at all is what is asked here.
                *("--scale", "0.5", "--max-stall", "110", "--kinds", KINDS, "--directory", str(directory / "run")),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        left = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(directory) in line]
    told = f"{run.stdout}\n{run.stderr[-8000:]}"

    assert run.returncode == 0, told
    assert "| rows lost | 0 |" in run.stdout, told
    assert "| rows doubled | 0 |" in run.stdout, told
    (faults,) = re.findall(r"\| faults \| (\d+) \|", run.stdout)
    assert int(faults) >= FAULTS, told
    assert not left
