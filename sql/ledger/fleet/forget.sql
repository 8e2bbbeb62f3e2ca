-- Forget those who have been silent for so long.
DELETE FROM processes WHERE seen_at < now() - make_interval(secs => %(seconds)s::double precision);
