-- Ranges and notes of another file of edges.
WITH notes AS (DELETE FROM decay_notes)

DELETE FROM decay_ranges;
