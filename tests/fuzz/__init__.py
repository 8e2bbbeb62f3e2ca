"""Fuzzers: `make fuzz`. What a stranger can send is bent at random, and invariants must hold.

The fuzzers use Hypothesis. It is there already, runs on each Python and platform of the project, and makes a failing
input small. A coverage-guided fuzzer (atheris) would need a compiled wheel for each of them, and sees nothing of what
polars, numpy and msgspec do, which is where most bytes go. Inputs near to valid ones take its place: the corpora are
made from the facts of the tests at run time, so a new fact is a new seed.
"""
