"""Summaries of merged deltas: totals, first users, mentions by day, trends. Worked out after the merge, never in it."""
