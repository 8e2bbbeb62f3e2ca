-- Whether an audit is unfinished. Locks: none. Rows: one.
SELECT EXISTS(SELECT FROM audits WHERE finished_at IS NULL) AS waiting;
