"""Invented posts, by the million and the same bytes everywhere: for benchmarks, chaos and tests."""
