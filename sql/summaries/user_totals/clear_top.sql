-- A direction's users go, to be looked for anew in the same transaction. The summaries' lock is held.
DELETE FROM top_users WHERE direction = %(direction)s::text;
