-- Of these users, delete the totals of those who mention nobody any more and are not mentioned. The summaries' lock is
-- held.
DELETE FROM user_totals AS t
USING unnest(%(user_ids)s::bigint[]) AS k (user_id)
WHERE t.user_id = k.user_id AND t.mentions_made = 0 AND t.mentions_received = 0 AND t.self_mentions = 0;
