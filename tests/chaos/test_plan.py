"""The plan: the same for a seed, and complete."""

from __future__ import annotations

from itertools import islice

from ops.chaos.faults import KINDS
from ops.chaos.plan import Wave, waves

RUN = 200
"""Faults of a long run."""


def first(count: int, seed: int) -> list[Wave]:
    return list(islice(waves(seed, KINDS), count))


def test_a_seed_is_a_plan() -> None:
    assert first(50, seed=3) == first(50, seed=3)
    assert first(50, seed=3) != first(50, seed=4)


def test_every_kind_is_in_a_long_run_and_faults_overlap() -> None:
    for seed in range(20):
        plan = first(RUN, seed)
        faults = [fault for wave in plan for fault in wave.faults]
        assert {fault.kind.name for fault in faults[:RUN]} == {kind.name for kind in KINDS}
        assert any(len(wave.faults) > 1 for wave in plan)
        assert any(wave.only_redis for wave in plan)
        assert all(fault.kind.shortest <= fault.seconds <= fault.kind.longest for fault in faults)
