"""`make mutants`: would the tests notice, if a guard of a statement or a condition of a pure module were not there?

A mutant is one file with one guard or one condition taken away. `statements` and `conditions` make mutants from the
parsed files, and `recording` finds which tests run which statements and lines. `running` collects the tests once. Then
one forked process for each mutant puts the mutant in place in memory, and runs the tests that run it until one fails.
No file of the project changes.

`harmless.toml` lists the mutants that cannot matter, each with its reason.
"""
