-- Deletes the totals of those of these users who mention nobody any more and are not mentioned. Locks: the caller holds
-- the summaries' lock. Rows: none.
DELETE FROM user_totals AS t
USING unnest(%(user_ids)s::bigint[]) AS k (user_id)
WHERE t.user_id = k.user_id AND t.mentions_made = 0 AND t.mentions_received = 0 AND t.self_mentions = 0;
