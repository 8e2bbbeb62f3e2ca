"""Forgetting a person: whatever holds them is rewritten without them, a small transaction at a time.

A series of steps, each whole in itself: at every commit the graph is what the ledger says. Whoever is killed begins
again with the same handle, and finds less to do. `people.py` has the order of the steps, and why it is this one.
"""
