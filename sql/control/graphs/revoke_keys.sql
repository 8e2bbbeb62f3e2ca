-- Revokes the keys that are good for a dropped graph alone. They must be good for no later graph of its name. Locks:
-- the keys' rows. Rows: none.
UPDATE keys SET revoked_at = least(revoked_at, %(now)s::timestamptz)
WHERE graphs = ARRAY[%(name)s::text];
