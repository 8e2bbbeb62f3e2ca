-- Which of up to a thousand handles are there.
SELECT handle, id FROM bench.reference_users WHERE handle = ANY(%(handles)s::text[]);
