-- {values}: (%s) for each handle of up to a thousand that is not there.
INSERT INTO bench.reference_users (handle) VALUES {values} RETURNING handle, id;
