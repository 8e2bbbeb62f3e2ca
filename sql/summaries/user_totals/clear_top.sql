-- Stops holding a direction's users. The caller looks for them anew in the same transaction. Locks: the caller holds
-- the summaries' lock. Rows: none.
DELETE FROM top_users WHERE direction = %(direction)s::text;
