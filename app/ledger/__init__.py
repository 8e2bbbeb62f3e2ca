"""The ledger: which state every upload and batch is in, how they change state, and the bells that call workers.

Every change of state is a guarded UPDATE in this wing's SQL. Nothing in this wing knows an edge."""
