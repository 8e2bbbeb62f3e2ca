"""The service's export against the oracle, as a program.

    python -m ops.oracle.compare posts.csv                          # what is in the file
    python -m ops.oracle.compare posts.csv --compare edges.csv      # against GET /export/edges.csv
    python -m ops.oracle.compare posts.csv --compare edges.csv --at 2026-11-20T12:00:00Z --clock event

Exit codes: 0 equal (or nothing to compare), 1 different, 2 unusable input.
"""

from __future__ import annotations

import argparse
import csv
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ops.oracle.account import HALF_LIFE, Account, Edge, Key, UnusableFileError, account, from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EXPORT_COLUMNS = ("source", "target", "mention_count", "weight", "first_seen", "last_seen")
SHOWN = 20


def read_export(path: Path) -> tuple[dict[Key, Edge], list[str]]:
    """The export's edges, folded, and what is wrong with the export by itself (an edge twice under two spellings)."""
    edges: dict[Key, Edge] = {}
    faults: list[str] = []
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in EXPORT_COLUMNS if name not in (reader.fieldnames or [])]
        if missing:
            raise UnusableFileError(f"{path}: the export has no column {', '.join(missing)}")
        for row in reader:
            # An apostrophe guards what a spreadsheet would run as a formula.
            key = (row["source"].removeprefix("'").lower(), row["target"].removeprefix("'").lower())
            if key in edges:
                faults.append(f"{show(key)}: more than once in the export")
            first, last = (to_micros(read_exported(row[name])) for name in ("first_seen", "last_seen"))
            edges[key] = Edge(int(row["mention_count"]), first, last, float(row["weight"]))
    return edges, faults


def read_exported(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def show(key: Key) -> str:
    return f"@{key[0]} -> @{key[1]}"


def differences(expected: dict[Key, Edge], actual: dict[Key, Edge], *, tolerance: float | None = None) -> Iterator[str]:
    """One line for each edge that is not the same; weights are compared if there is a (relative) tolerance."""
    for key, edge in expected.items():
        other = actual.get(key)
        if other is None:
            yield f"{show(key)}: missing, expected {edge.mention_count} mention(s)"
            continue
        unequal = [
            f"{name} is {theirs}, expected {ours}"
            for name, ours, theirs in (
                ("mention_count", edge.mention_count, other.mention_count),
                ("first_seen", from_micros(edge.first_seen), from_micros(other.first_seen)),
                ("last_seen", from_micros(edge.last_seen), from_micros(other.last_seen)),
            )
            if ours != theirs
        ]
        if tolerance is not None and abs(edge.weight - other.weight) > tolerance * edge.weight:
            unequal.append(f"weight is {other.weight!r}, expected {edge.weight!r}")
        if unequal:
            yield f"{show(key)}: {'; '.join(unequal)}"
    for key, other in actual.items():
        if key not in expected:
            yield f"{show(key)}: not expected, has {other.mention_count} mention(s)"


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ops.oracle.compare", description="Count posts slowly and exactly.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV of posts, not compressed")
    parser.add_argument("--compare", type=Path, metavar="EDGES.csv", help="the service's export")
    parser.add_argument("--self-mentions", action="store_true", help="the export was asked to include self-mentions")
    parser.add_argument("--at", type=read_exported, metavar="INSTANT", help="compare weights too, as of this instant")
    parser.add_argument("--clock", choices=("arrival", "event"), default="arrival", help="decay clock (with --at)")
    parser.add_argument(
        "--received-at", type=read_exported, action="append", default=[], metavar="INSTANT",
        help="when the service received the file; once for each FILE, in their order (arrival clock)",
    )  # fmt: skip
    parser.add_argument("--half-life-days", type=float, default=HALF_LIFE / timedelta(days=1), metavar="DAYS")
    parser.add_argument("--tolerance", type=float, default=1e-9, help="relative difference allowed between weights")
    parser.add_argument("--rejects", action="store_true", help="list every reject: line and code")
    options = parser.parse_args(arguments)
    if options.at is not None and options.clock == "arrival" and len(options.received_at) != len(options.files):
        parser.error("weights by the arrival clock need one --received-at for each FILE")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    total = Account()
    try:
        for number, path in enumerate(options.files):
            before = total.rejected
            account(
                path.read_bytes(),
                total,
                at=options.at,
                received_at=options.received_at[number] if options.clock == "arrival" and options.at else None,
                half_life=timedelta(days=options.half_life_days),
            )
            if options.rejects:
                for line, code in total.rejects[before:]:
                    print(f"{path}:{line}: {code}")
        print(
            f"rows {total.rows}  accepted {total.accepted}  rejected {total.rejected} {total.reject_codes()}\n"
            f"mentions {total.mentions}  edges {len(total.edges)}"
        )
        if options.compare is None:
            return 0
        return compare(total, options)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def compare(total: Account, options: argparse.Namespace) -> int:
    """Print the verdict on the export; 0 if it is exact, 1 otherwise."""
    expected = total.edges
    if not options.self_mentions:
        expected = {key: edge for key, edge in expected.items() if key[0] != key[1]}
    actual, faults = read_export(options.compare)
    tolerance = options.tolerance if options.at is not None else None
    faults.extend(differences(expected, actual, tolerance=tolerance))
    checked = "counts, instants and weights" if tolerance is not None else "counts and instants"
    if not faults:
        mentions = sum(edge.mention_count for edge in expected.values())
        print(f"EQUAL: {len(expected)} edges, {mentions} mentions; {checked} compared edge by edge")
        return 0
    print(f"DIFFERENT: {len(faults)} differences over {len(expected)} expected and {len(actual)} exported edges")
    for fault in faults[:SHOWN]:
        print(f"  {fault}")
    if len(faults) > SHOWN:
        print(f"  … and {len(faults) - SHOWN} more")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
