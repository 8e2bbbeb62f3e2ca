-- Does what act_for and commit_later do, in one statement: the first of each upload. Locks: none. Rows: one.
SELECT
  set_config('synchronous_commit', 'off', true),
  set_config('mentiongraph.key_id', %(key_id)s::text, true),
  set_config('mentiongraph.owner', %(owner)s::text, true),
  set_config('mentiongraph.address', %(address)s::text, true);
