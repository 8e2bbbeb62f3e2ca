-- Adds to an erasure's numbers, in the transaction that did what they count. Locks: the erasure's row. Rows: none.
UPDATE erasures
SET
  mentions = mentions + %(mentions)s::bigint, mentions_purged = mentions_purged + %(mentions_purged)s::bigint,
  deltas = deltas + %(deltas)s::integer, payloads = payloads + %(payloads)s::integer,
  payloads_dropped = payloads_dropped + %(payloads_dropped)s::integer, rejects = rejects + %(rejects)s::bigint,
  texts = texts + %(texts)s::bigint
WHERE id = %(id)s::bigint;
