-- Whether the shadow holds something. Locks: none. Rows: one if it does.
SELECT true AS left_over WHERE EXISTS (SELECT FROM edges_shadow);
