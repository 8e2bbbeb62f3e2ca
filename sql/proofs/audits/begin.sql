-- Notes that a worker begins the unfinished audit, and uses an attempt up. Locks: the caller holds the lock of audits;
-- the audit's row. Rows: one; zero where no audit is unfinished.
UPDATE audits
SET
  began_at = %(now)s::timestamptz, attempts = attempts + 1, process = current_setting('application_name')
WHERE finished_at IS NULL
RETURNING id, sample, attempts;
