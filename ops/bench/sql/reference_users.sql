-- {values}: (%s) for each handle of up to a thousand.
INSERT INTO bench.reference_users (handle) VALUES {values}
ON CONFLICT (handle) DO UPDATE SET handle = excluded.handle
RETURNING handle, id;
