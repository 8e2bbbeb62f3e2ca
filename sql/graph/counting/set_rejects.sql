-- Says how many rejects a batch has of each code, and how many of them are kept, in the transaction that flips the
-- batch to counted. Locks: the caller has locked the batch's row. Rows: none.
UPDATE batches SET rejects_kept = %(kept)s::integer, reject_codes = %(codes)s::jsonb WHERE id = %(batch_id)s::bigint;
