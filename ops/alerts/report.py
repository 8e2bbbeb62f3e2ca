"""The table of a run, in Markdown."""

from __future__ import annotations

from ops.alerts.run import Outcome, Result


def table(run: Outcome) -> str:
    """What was done, and which alerts were told."""
    wrong = sum(not result.right for result in run.results)
    lines = [
        "| what was done | alerts, and seconds until they were told | all ended, s | |",
        "|---|---|---:|---|",
        *(_row(result) for result in run.results),
        *(f"| {name} | not on this machine | | |" for name in run.left_out),
        "",
        f"{len(run.results)} cases, {wrong} wrong, in {run.seconds / 60:.0f} minutes. {run.panels} queries of the "
        f"dashboards' panels, of which {len(run.empty)} found nothing.",
        f"Clients sent {run.asked:,} requests; {run.failed:,} were not answered, or 5xx.",
        "",
        f"`{run.command}`",
    ]
    return "\n".join(lines) + "\n"


def _row(result: Result) -> str:
    told = ", ".join(f"`{alert}` {seconds:.0f}" for alert, seconds in result.told.items()) or "none"
    ended = "" if not result.told else "not" if result.ended is None else f"{result.ended:.0f}"
    return f"| {result.case.name} | {told} | {ended} | {_verdict(result)} |"


def _verdict(result: Result) -> str:
    if result.problem:
        return result.problem
    parts = [f"missing: {', '.join(sorted(result.missing))}"] if result.missing else []
    parts += [f"without cause: {', '.join(sorted(result.wrong))}"] if result.wrong else []
    parts += ["not ended in time"] if result.ended is None else []
    return "; ".join(parts) or "right"
