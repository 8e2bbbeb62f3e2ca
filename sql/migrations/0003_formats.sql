-- Rejects keep the value that they are rejected for.
-- depends: 0002_cancel_retract_check

ALTER TABLE rejects ADD COLUMN value bytea;
COMMENT ON COLUMN rejects.column_name IS 'As the file calls it. NULL: it is not about one column.';
COMMENT ON COLUMN rejects.value IS 'What stands in the column, up to 200 characters of it.';
