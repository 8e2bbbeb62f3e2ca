"""Proofs: the audit compares graph and ledger; the rebuild counts the graph again from the ledger."""
