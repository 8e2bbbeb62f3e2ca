-- Tells whether a standby asks its primary to keep the rows that its statements still need. Otherwise replay cancels a
-- long statement. Locks: none. Rows: one.
SELECT current_setting('hot_standby_feedback')::boolean AS keeps_rows;
