-- Deletes the payloads of these batches, whose upload is finished. Payloads and deltas are in two tables, so they go by
-- two statements. Locks: the caller has locked the batches and their upload. Rows: none.
UPDATE batches SET payload = NULL WHERE id = ANY(%(batch_ids)s::bigint[]) AND payload IS NOT NULL;
