-- The rest of this transaction works for a caller: the rows and events of the ledger that it writes say so by their
-- defaults. An empty text is no value. Locks: none. Rows: one.
SELECT
  set_config('mentiongraph.key_id', %(key_id)s::text, true),
  set_config('mentiongraph.owner', %(owner)s::text, true),
  set_config('mentiongraph.address', %(address)s::text, true);
