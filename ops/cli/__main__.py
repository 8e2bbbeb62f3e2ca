"""python -m ops.cli: what the console script `mentiongraph` runs."""

from __future__ import annotations

from ops.cli import main

main(prog_name="mentiongraph")
