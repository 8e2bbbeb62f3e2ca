-- Writes the rejects of one batch, in the transaction that flips the batch to counted. Locks: none but its own rows.
-- Rows: none.
INSERT INTO rejects (upload_id, batch_id, line, column_name, value, code, message, raw)
SELECT %(upload_id)s::uuid, %(batch_id)s::bigint, r.line, r.column_name, r.value, r.code, r.message, r.raw
FROM unnest(
  %(lines)s::bigint[], %(columns)s::text[], %(values)s::bytea[], %(codes)s::text[], %(messages)s::text[],
  %(raws)s::bytea[]
) AS r (line, column_name, value, code, message, raw);
