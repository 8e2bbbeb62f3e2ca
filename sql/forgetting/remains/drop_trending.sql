-- Takes users out of what is trending. Locks: the caller holds the summaries' lock. Rows: none.
DELETE FROM trending_users WHERE user_id = ANY(%(ids)s::bigint[]);
