"""How much a run measures: every size has a field here and an option of the same name."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin

from msgspec import Meta, Struct, structs

from app.control.graphs import DEFAULT as DEFAULT_GRAPH

SHAPES = ("mixed", "pairs", "tail", "celebrity", "retweets", "multiline")
MODES = ("flow", "stages", "latency", "memory", "reads", "screens", "decay", "growth", "graphs", "idle")


class Plan(Struct, frozen=True, kw_only=True):
    """What a run measures, and how much of it. The descriptions are the help of the options."""

    modes: tuple[str, ...] = ("flow", "stages", "idle")
    graph: str = DEFAULT_GRAPH
    """Into which graph everything is sent."""
    workloads: tuple[str, ...] = ("mixed",)
    rows: Annotated[int, Meta(description="rows of each upload whose rate is measured")] = 1_000_000
    edges: Annotated[int, Meta(description="edges in the graph before anything is measured")] = 0
    runs: Annotated[int, Meta(description="runs of each measurement; medians are shown")] = 3
    reference_rows: Annotated[int, Meta(description="rows that the reference applies")] = 50_000
    shape_rows: Annotated[int, Meta(description="rows of the workloads after the first")] = 1_000_000
    stage_rows: Annotated[int, Meta(description="rows that go through each stage")] = 200_000
    stream_bytes: Annotated[int, Meta(description="bytes of the body in `memory`")] = 2 << 30
    calm_uploads: Annotated[int, Meta(description="short uploads on a calm machine, in `latency`")] = 50
    short_uploads: Annotated[int, Meta(description="short uploads beside a big one at most, in `latency`")] = 400
    growth_edges: Annotated[int, Meta(description="edges at which `growth` ends")] = 10_000_000
    growth_step: Annotated[int, Meta(description="rows of each upload in `growth`")] = 1_000_000
    disk_gib: Annotated[float, Meta(description="GiB that `growth` may use")] = 40
    decay_rows: Annotated[int, Meta(description="rows of each upload in `decay`")] = 1_000_000
    graphs: Annotated[int, Meta(description="graphs over which `graphs` spreads the rows of a turn")] = 8
    graph_rounds: Annotated[int, Meta(description="rounds of `graphs`, each into one graph and into all")] = 4
    idle_seconds: Annotated[float, Meta(description="seconds at rest, before and while `idle` looks")] = 120.0
    idle_graphs: Annotated[int, Meta(description="graphs that `idle` creates to look at a second time")] = 20
    read_edges: Annotated[int, Meta(description="edges that `reads` has in the graph at least")] = 10_000_000
    screen_edges: Annotated[int, Meta(description="edges that `screens` has in the graph at least")] = 10_000_000
    screen_uploads: Annotated[int, Meta(description="uploads that `screens` has in the ledger at least")] = 100_000
    read_users: Annotated[int, Meta(description="edges whose ends `reads` asks for")] = 500
    read_seconds: Annotated[float, Meta(description="seconds for each kind of question in `reads`")] = 5.0
    read_least: Annotated[int, Meta(description="answers that a percentile is taken of, at least")] = 50
    read_apis: Annotated[
        int, Meta(description="processes of the API that answer in `reads`, with and without cache")
    ] = 2
    read_loads: tuple[str, ...] = ("none", "one", "full")
    settle_seconds: Annotated[float, Meta(description="seconds of patience with PostgreSQL's counters")] = 12.0
    seed: Annotated[int, Meta(description="seed of the first workload")] = 7
    workers: Annotated[int, Meta(description="worker processes; 0: as many as processors")] = 0

    @property
    def sample_every(self) -> int:
        """One user in so many is in the oracle's sample: about a thousand of those that write."""
        return max(1, min(self.rows, 330_000) // 2500)


def numbers() -> dict[str, tuple[Any, str]]:
    """The sizes that are one number: the type and the description of each."""
    fields = {field.name: field.type for field in structs.fields(Plan)}
    found = {name: get_args(kind) for name, kind in fields.items() if get_origin(kind) is Annotated}
    return {name: (kind, str(meta.description)) for name, (kind, meta) in found.items()}


DEFAULT = Plan()
QUICK = Plan(modes=("flow",), rows=200_000, runs=1, reference_rows=20_000, read_edges=200_000, read_seconds=0.5)
FULL = Plan(
    modes=MODES,
    workloads=SHAPES,
    rows=5_000_000,
    edges=5_000_000,
    reference_rows=200_000,
    stage_rows=1_000_000,
    growth_edges=50_000_000,
    idle_graphs=200,
)
