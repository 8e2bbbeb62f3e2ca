"""Rows become structs, in whatever thread they are asked for first."""

from __future__ import annotations

import subprocess
import sys

# Fresh types each time, since a type is learned once; and threads that take turns as often as they can.
_MANY_FIRST_USES = """
import sys, threading
import msgspec
from app.store import postgres

sys.setswitchinterval(1e-6)

class Cursor:
    description = [type("Column", (), {"name": "inner"})]

for number in range(1500):
    inner = msgspec.defstruct("Inner", [(f"field{n}", int | None, None) for n in range(30)])
    outer = msgspec.defstruct("Outer", [("inner", inner), *((f"field{n}", int | None, None) for n in range(30))])
    barrier = threading.Barrier(4)

    def use():
        barrier.wait()
        assert postgres._record(outer)(Cursor())([{"field1": 7}]).inner.field1 == 7

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_that_are_first_to_use_a_type_do_not_crash_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MANY_FIRST_USES], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
