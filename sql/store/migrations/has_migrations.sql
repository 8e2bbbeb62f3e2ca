-- Tells whether any migration was ever applied. Locks: none. Rows: one.
SELECT to_regclass('_yoyo_migration') IS NOT NULL AS has;
