-- Says how many of a batch's posts another row counts, and how many the batch owns, in the transaction that flips the
-- batch to counted. Locks: the caller has locked the batch's row. Rows: none.
UPDATE batches SET rows_repeated = %(rows_repeated)s::integer, ids_owned = %(ids_owned)s::integer
WHERE id = %(batch_id)s::bigint;
