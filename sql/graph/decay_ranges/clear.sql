-- Deletes the ranges and notes of another file of edges. Locks: the caller holds the run's lock. Rows: none.
WITH notes AS (DELETE FROM decay_notes)

DELETE FROM decay_ranges;
