-- Adds the users that are trending over so many days, in their order. Locks: the caller holds the summaries' lock.
-- Rows: none.
INSERT INTO trending_users (days, place, user_id, mentions, mentions_before, growth)
SELECT %(days)s::smallint, u.place, u.user_id, u.mentions, u.mentions_before, u.growth
FROM unnest(
  %(user_ids)s::bigint[], %(mentions)s::bigint[], %(mentions_before)s::bigint[], %(growths)s::double precision[]
) WITH ORDINALITY AS u (user_id, mentions, mentions_before, growth, place);
