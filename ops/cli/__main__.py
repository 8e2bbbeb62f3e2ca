"""python -m ops.cli: what the console script `mentiongraph` runs."""

from __future__ import annotations

from mentiongraph import main

main()
