"""How fast it is, and whether it counts right while it is that fast: `python -m ops.bench`."""
