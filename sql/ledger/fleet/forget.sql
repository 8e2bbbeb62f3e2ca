-- Forgets the processes that have been silent for so many seconds. Locks: their rows. Rows: none.
DELETE FROM processes WHERE seen_at < now() - make_interval(secs => %(seconds)s::double precision);
