-- Gives back the room of rows that were deleted or replaced. Outside of a transaction. Locks: SHARE UPDATE EXCLUSIVE on
-- each table, so work goes on. Rows: none.
VACUUM users, edges, edges_archive, top_edges, deltas, batches, rejects, uploads, ledger_events, idempotency_keys,
  user_totals, top_users, day_blocks, day_runs, trending_users; -- noqa: PRS
