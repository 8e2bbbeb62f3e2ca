-- Writes a process's heartbeat. Ages come in, and instants are the server's, so the clocks of hosts need not agree.
-- Locks: the process's row. Rows: none.
INSERT INTO processes (host, pid, born, role, started_at, seen_at, acted_at)
VALUES (
  %(host)s::text, %(pid)s::integer, %(born)s::bigint, %(role)s::text,
  now() - make_interval(secs => %(age)s::double precision), now(),
  now() - make_interval(secs => %(idle)s::double precision)
)
ON CONFLICT (host, pid, born) DO UPDATE SET seen_at = excluded.seen_at, acted_at = excluded.acted_at;
