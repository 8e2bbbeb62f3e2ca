"""How much is measured: the sizes behind `--quick`, no option, and `--full`."""

from __future__ import annotations

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run measures, and how much of it."""

    modes: tuple[str, ...]
    rows: int
    """Of each upload whose rate is measured."""
    edges: int
    """That the graph holds before anything is measured."""
    runs: int
    reference_rows: int
    workloads: tuple[str, ...] = ("mixed",)
    shape_rows: int = 1_000_000
    """Of the workloads after the first."""
    stage_rows: int = 200_000
    stream_bytes: int = 2 << 30
    calm_uploads: int = 50
    short_uploads: int = 400
    growth_edges: int = 10_000_000
    growth_step: int = 1_000_000
    disk_bytes: int = 40 << 30
    decay_rows: int = 1_000_000
    idle_seconds: float = 20.0
    urgent_rows: int = 8_000
    read_edges: int = 10_000_000
    """That the graph holds at least while it is read."""
    read_users: int = 500
    """Edges whose ends are asked for."""
    read_seconds: float = 5.0
    """For each kind of question under each load, with the cache and without."""
    read_least: int = 50
    """Answers of which a percentile is taken, at least."""
    read_loads: tuple[str, ...] = ("none", "one", "full")
    settle_seconds: float = 12.0
    """Patience with PostgreSQL's counters."""
    seed: int = 7
    workers: int | None = None

    @property
    def sample_every(self) -> int:
        """One of so many users is in the oracle's sample: about a thousand of those that write."""
        return max(1, min(self.rows, 330_000) // 2500)


SHAPES = ("mixed", "pairs", "tail", "celebrity", "retweets", "multiline")
MODES = ("flow", "stages", "latency", "priority", "memory", "reads", "decay", "growth", "idle")

QUICK = Plan(
    modes=("flow",), rows=200_000, edges=0, runs=1, reference_rows=20_000, read_edges=200_000, read_seconds=0.5
)
DEFAULT = Plan(modes=("flow", "stages", "idle"), rows=1_000_000, edges=0, runs=3, reference_rows=50_000)
FULL = Plan(
    modes=MODES,
    rows=5_000_000,
    edges=5_000_000,
    runs=3,
    reference_rows=200_000,
    workloads=SHAPES,
    stage_rows=1_000_000,
    growth_edges=50_000_000,
)
