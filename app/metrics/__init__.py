"""What the service tells Prometheus: the table of all metrics, and what a process counts of itself.

This room knows no server and no row of the ledger, so that every other room can count. What the ledger knows is read in
`app/reads/metrics/`.
"""
