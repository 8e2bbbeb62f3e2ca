"""The ledger: which upload and batch is in which state, how it gets there, and the bells that wake workers.

Every change of state is a guarded UPDATE in this wing's SQL. Nothing here knows an edge."""
